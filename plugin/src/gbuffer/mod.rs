//! The shadow at display size, on the GPU: depth, normal, body and material of every pixel.
//!
//! It is drawn from the newest snapshot in the pose that the late latch gives, right before the display is filled by
//! its guide. Boxes are instanced cubes, meshes are pulled from one buffer, round shapes are met by rays in their
//! boxes. The motion of a pixel is exact and needs no target of its own: it is that of its body, by table (see
//! `reverie_kernels::present::Carry`). Shaders: `kernels/src/present/gbuffer.wgsl`.

mod node;
mod prepare;
mod table;

pub(crate) use node::draw;
pub(crate) use prepare::{GBufferPipelines, GBufferTextures};
pub(crate) use table::{MeshPool, Table};
