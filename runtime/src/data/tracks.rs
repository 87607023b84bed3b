//! The numbers of an episode, one row a frame, and their safetensors form.

use glam::{Quat, Vec3};
use reverie_guard::Pose;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::request::{ACTION_AXES, Action};
use crate::style::STYLE_NAMES;

/// Translation x y z in metres, quaternion x y z w.
pub(super) type PoseRow = [f32; 7];
/// Linear x y z in m/s, angular x y z in rad/s, world frame.
pub(super) type VelocityRow = [f32; 6];

/// With `n` frames and `b` bodies. Arrays of bodies are frame-major: frame `i`, body `j` at `i·b + j`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tracks {
    /// World from camera, n.
    pub camera: Vec<PoseRow>,
    /// Vertical field of view, radians, n.
    pub vfov: Vec<f32>,
    /// Simulated seconds, n.
    pub time_s: Vec<f64>,
    /// Physics ticks, n.
    pub tick: Vec<u64>,
    /// What the player did from the last frame to this one, n.
    pub action: Vec<Action>,
    /// Style weights, n.
    pub style: Vec<[f32; STYLE_NAMES.len()]>,
    /// Towards the sun, unit length, world frame, n.
    pub sun: Vec<[f32; 3]>,
    /// World from body, n·b; identity where the body is not there.
    pub body_pose: Vec<PoseRow>,
    /// n·b; zero where the body is not there.
    pub body_velocity: Vec<VelocityRow>,
    /// 1 where the body is there, else 0, n·b.
    pub body_alive: Vec<u8>,
    /// Where each picture starts, and the end of the last one, bytes, n + 1.
    pub frame_offset: Vec<u64>,
}

pub(super) fn pose_row(pose: &Pose) -> PoseRow {
    let (t, q) = (pose.translation_m, pose.rotation);
    [t.x, t.y, t.z, q.x, q.y, q.z, q.w]
}

pub(super) fn row_pose(row: &PoseRow) -> Pose {
    let &[x, y, z, qx, qy, qz, qw] = row;
    Pose::new(Quat::from_xyzw(qx, qy, qz, qw), Vec3::new(x, y, z))
}

fn f32_bytes<const N: usize>(rows: &[[f32; N]]) -> Vec<u8> {
    rows.iter().flatten().flat_map(|v| v.to_le_bytes()).collect()
}

fn u64_bytes(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

impl Tracks {
    /// The safetensors file; `bodies` is b.
    pub fn to_bytes(&self, bodies: usize) -> Result<Vec<u8>, String> {
        let n = self.vfov.len();
        let vfov: Vec<u8> = self.vfov.iter().flat_map(|v| v.to_le_bytes()).collect();
        let time_s: Vec<u8> = self.time_s.iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensors = [
            ("camera", Dtype::F32, vec![n, 7], f32_bytes(&self.camera)),
            ("vfov", Dtype::F32, vec![n], vfov),
            ("time_s", Dtype::F64, vec![n], time_s),
            ("tick", Dtype::U64, vec![n], u64_bytes(&self.tick)),
            ("action", Dtype::F32, vec![n, ACTION_AXES.len()], f32_bytes(&self.action)),
            ("style", Dtype::F32, vec![n, STYLE_NAMES.len()], f32_bytes(&self.style)),
            ("sun", Dtype::F32, vec![n, 3], f32_bytes(&self.sun)),
            ("body_pose", Dtype::F32, vec![n, bodies, 7], f32_bytes(&self.body_pose)),
            ("body_velocity", Dtype::F32, vec![n, bodies, 6], f32_bytes(&self.body_velocity)),
            ("body_alive", Dtype::U8, vec![n, bodies], self.body_alive.clone()),
            ("frame_offset", Dtype::U64, vec![n + 1], u64_bytes(&self.frame_offset)),
        ];
        let mut views = Vec::with_capacity(tensors.len());
        for (name, dtype, shape, bytes) in &tensors {
            let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(|e| e.to_string())?;
            views.push((*name, view));
        }
        serialize(views, None).map_err(|e| e.to_string())
    }

    /// Reads what [`Tracks::to_bytes`] wrote, of `n` frames and `b` bodies; dtypes and shapes are
    /// checked, values are not.
    pub fn from_bytes(bytes: &[u8], n: usize, b: usize) -> Result<Self, String> {
        let file = TensorFile(SafeTensors::deserialize(bytes).map_err(|e| {
            format!("not a whole safetensors file ({e}); record the episode again")
        })?);
        Ok(Self {
            camera: file.f32_rows("camera", &[n, 7])?,
            vfov: file.f32_rows("vfov", &[n])?.into_iter().map(|[v]| v).collect(),
            time_s: file.read("time_s", Dtype::F64, &[n], f64::from_le_bytes)?,
            tick: file.read("tick", Dtype::U64, &[n], u64::from_le_bytes)?,
            action: file.f32_rows("action", &[n, ACTION_AXES.len()])?,
            style: file.f32_rows("style", &[n, STYLE_NAMES.len()])?,
            sun: file.f32_rows("sun", &[n, 3])?,
            body_pose: file.f32_rows("body_pose", &[n, b, 7])?,
            body_velocity: file.f32_rows("body_velocity", &[n, b, 6])?,
            body_alive: file.read("body_alive", Dtype::U8, &[n, b], u8::from_le_bytes)?,
            frame_offset: file.read("frame_offset", Dtype::U64, &[n + 1], u64::from_le_bytes)?,
        })
    }
}

struct TensorFile<'a>(SafeTensors<'a>);

impl<'a> TensorFile<'a> {
    /// The values of a tensor, each of `N` bytes.
    fn read<T, const N: usize>(
        &self,
        name: &str,
        dtype: Dtype,
        shape: &[usize],
        parse: fn([u8; N]) -> T,
    ) -> Result<Vec<T>, String> {
        let view = self.0.tensor(name).map_err(|_| format!("tensor `{name}` is missing"))?;
        if view.dtype() != dtype || view.shape() != shape {
            return Err(format!(
                "tensor `{name}` is {:?} {:?}, expected {dtype:?} {shape:?}",
                view.dtype(),
                view.shape()
            ));
        }
        Ok(view.data().as_chunks::<N>().0.iter().map(|chunk| parse(*chunk)).collect())
    }

    /// Rows of `K` numbers, the tensor's last axis.
    fn f32_rows<const K: usize>(
        &self,
        name: &str,
        shape: &[usize],
    ) -> Result<Vec<[f32; K]>, String> {
        let values = self.read(name, Dtype::F32, shape, f32::from_le_bytes)?;
        Ok(values.as_chunks::<K>().0.to_vec())
    }
}
