//! The late warp and the guided upsample on a GPU, against their plain twin.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bevy::camera::{Hdr, ImageRenderTarget, RenderTarget};
use bevy::log::LogPlugin;
use bevy::prelude::*;
use bevy::render::gpu_readback::{Readback, ReadbackComplete};
use bevy::render::render_resource::{TextureFormat, TextureUsages};
use bevy::render::{Render, RenderApp, RenderSystems};
use bevy_rapier3d::prelude::*;
use bevy_reverie::latency::{LatencyLog, PresentedFrame};
use bevy_reverie::prelude::*;
use bevy_reverie::recorder::{headless, prepare_to_step};
use bevy_reverie::shadow::ShadowReader;
use bevy_reverie::view::{Latched, LateLatch};
use reverie_guard::ShadowSnapshot;
use reverie_kernels::exemplar::{self, Exemplars, FINEST_TEXELS, LAYERS};
use reverie_kernels::present::Detail;
use reverie_kernels::present::reference::{Display, Frame, present};
use reverie_kernels::present::{Fill, Light};
use reverie_kernels::raster::{ShadowMaps, raster};
use reverie_runtime::frame::{NeuralFrame, StageTimes, present_light};
use reverie_runtime::model::{ModelError, WorldModel};
use reverie_runtime::request::{DreamRequest, FrameSource};
use reverie_runtime::scene::{ShadowScene, albedo};
use reverie_runtime::tones::Tones;
use reverie_runtime::view::ShadowView;

/// Half in snow: it lies on what is level, on the GPU as in the plain twin.
const STYLE: StyleWeights = StyleWeights([0.5, 0.0, 0.0, 0.0, 0.5]);
const SIZE: UVec2 = UVec2::new(256, 144);
const MODEL_SIZE: UVec2 = UVec2::new(64, 36);

/// Dreams only when it is let; paints each body in a colour of its own, with a texture of single pixels.
struct Gated(Receiver<()>, Arc<Detail>);

impl WorldModel for Gated {
    fn name(&self) -> &str {
        "gated"
    }

    fn size(&self) -> (u32, u32) {
        MODEL_SIZE.into()
    }

    fn append_frame(&mut self, request: &DreamRequest) -> Result<NeuralFrame, ModelError> {
        // The test is over when the other end is gone.
        let _ = self.0.recv();
        let (width, height) = (MODEL_SIZE.x as usize, MODEL_SIZE.y as usize);
        let view = ShadowView::new(&request.snapshot, &request.style, width, height, true);
        let rgba = view.maps.primitive.iter().enumerate().flat_map(|(pixel, body)| {
            let noise = (pixel * 7919 % 61) as u8;
            match body {
                &reverie_kernels::raster::SKY => [60, 120, 150 + noise, 255],
                body => [90 + noise, 40 + 23 * (body % 8) as u8, 200 - 2 * noise, 255],
            }
        });
        Ok(NeuralFrame {
            request_id: request.id,
            width: MODEL_SIZE.x,
            height: MODEL_SIZE.y,
            rgba: Arc::new(rgba.collect()),
            snapshot: request.snapshot.clone(),
            shadow: None,
            detail: Some(self.1.clone()),
            source: FrameSource::Model,
            mode: request.mode,
            times: StageTimes::default(),
            input_at: request.input_at,
            finished_at: Instant::now(),
        })
    }

    fn reset(&mut self) {}

    fn can_dream(&self) -> bool {
        true
    }
}

#[derive(Resource, Default)]
struct Shot(Option<Vec<u8>>);

/// A game with every shape. The gate is the last to be dropped by name, the first in fact: the thread must not wait.
struct Stage {
    gate: Sender<()>,
    app: App,
    camera: Entity,
    image: Handle<Image>,
    size: UVec2,
}

impl Stage {
    fn new() -> Self {
        let mut app = App::new();
        app.add_plugins(headless().disable::<LogPlugin>())
            .add_plugins((RapierPhysicsPlugin::<()>::default(), ReveriePlugins))
            .init_resource::<Shot>()
            .add_observer(|event: On<ReadbackComplete>, mut shot: ResMut<Shot>| {
                shot.0 = Some(event.data.clone());
            });
        prepare_to_step(&mut app);
        let (gate, model) = gated();
        let image = target(&mut app, SIZE);
        let neural = NeuralCamera { model, style: STYLE, ..default() };
        let camera = app
            .world_mut()
            .spawn((neural, Msaa::Off, RenderTarget::Image(image.clone().into()), eye(0.0, 0.0)))
            .id();
        furnish(&mut app);
        let mut stage = Self { gate, app, camera, image, size: SIZE };
        stage.dream();
        stage
    }

    /// Lets the model dream one frame, and waits until it is there.
    fn dream(&mut self) {
        let before = self.picture().serial;
        self.gate.send(()).unwrap();
        for _ in 0..400 {
            self.app.update();
            if self.picture().serial > before {
                // Pipelines may need another frame.
                self.app.update();
                self.app.update();
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        panic!("no frame was dreamed");
    }

    /// Asks for another mode, and lets the model dream until a frame was made in it.
    fn dream_in(&mut self, mode: NeuralMode) {
        self.app.world_mut().get_mut::<NeuralCamera>(self.camera).unwrap().mode = mode;
        self.app.update();
        // One request of the old mode was taken already, another may wait.
        for _ in 0..3 {
            self.dream();
            if self.picture().frame.is_some_and(|frame| frame.mode == mode) {
                return;
            }
        }
        panic!("no frame was made in {mode:?}");
    }

    fn picture(&self) -> NeuralPicture {
        self.app.world().get::<NeuralPicture>(self.camera).cloned().unwrap_or_default()
    }

    /// The picture that the next frame renders: sRGB bytes, three a pixel.
    fn shot(&mut self) -> Vec<[u8; 3]> {
        self.app.world_mut().resource_mut::<Shot>().0 = None;
        let entity = self.app.world_mut().spawn(Readback::texture(self.image.clone())).id();
        self.app.update();
        self.app.world_mut().entity_mut(entity).remove::<Readback>();
        for _ in 0..50 {
            if let Some(data) = self.app.world_mut().resource_mut::<Shot>().0.take() {
                self.app.world_mut().despawn(entity);
                let row = (4 * self.size.x as usize).div_ceil(256) * 256;
                let rows = data.chunks_exact(row).take(self.size.y as usize);
                return rows
                    .flat_map(|row| row.as_chunks::<4>().0[..self.size.x as usize].iter())
                    .map(|p| [p[0], p[1], p[2]])
                    .collect();
            }
            self.app.update();
        }
        panic!("no picture came back");
    }

    fn snapshot(&mut self) -> ShadowSnapshot {
        let camera = self.camera;
        self.app
            .world_mut()
            .run_system_cached_with(
                |In(camera): In<Entity>, mut reader: ShadowReader| reader.snapshot(camera),
                camera,
            )
            .unwrap()
            .unwrap()
    }

    /// What the plain twin shows of `snapshot`.
    fn expected(&self, snapshot: &ShadowSnapshot, fill: Fill) -> Vec<[u8; 3]> {
        let frame = self.picture().frame;
        let shadow = frame.as_ref().map(|frame| frame.shadow.clone().unwrap());
        let mut tones = Tones::default();
        shadow.iter().for_each(|shadow| tones.learn(&shadow.tones));
        let scene = ShadowScene::new(snapshot, true).scene;
        let mut maps = ShadowMaps::default();
        raster(&scene, &snapshot.camera, self.size.x as usize, self.size.y as usize, &mut maps);
        let tinted = snapshot
            .bodies
            .iter()
            .map(|body| Vec3::from_array(albedo(body)) * tones.of_body(body.id, body.material));
        let light = present_light(&STYLE.light(), snapshot.sun_direction);
        let display = Display {
            camera: &snapshot.camera,
            maps: &maps,
            scene: &scene,
            albedo: &tinted.collect::<Vec<_>>(),
            light: &Light {
                zenith_rgb: light.zenith_rgb * tones.of_sky(),
                horizon_rgb: light.horizon_rgb * tones.of_sky(),
                ..light
            },
            fill,
            detail: frame.as_ref().and_then(|frame| frame.detail.as_deref()),
        };
        let frames: Vec<Frame<'_>> = frame
            .iter()
            .zip(&shadow)
            .map(|(frame, shadow)| Frame {
                guide: &shadow.guide,
                rgba: &frame.rgba,
                clean: &shadow.clean,
            })
            .collect();
        let byte = |v: &f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
        let rgb = present(&display, &frames);
        rgb.as_chunks::<3>().0.iter().map(|p| [byte(&p[0]), byte(&p[1]), byte(&p[2])]).collect()
    }

    fn set_filter(&mut self, filter: NeuralFilter) {
        self.app.world_mut().get_mut::<NeuralCamera>(self.camera).unwrap().filter = filter;
    }

    fn last_presented(&self) -> PresentedFrame {
        *self.app.world().resource::<LatencyLog>().last_frame().expect("a frame was presented")
    }
}

/// The same smooth waves on every material.
fn waves() -> Detail {
    let wave = |texel: usize| {
        let turn =
            |i: usize| (i as f32 + 0.5) / exemplar::SIZE as f32 * 4.0 * std::f32::consts::TAU;
        let (u, v) = (texel % exemplar::SIZE, texel % FINEST_TEXELS / exemplar::SIZE);
        [0.2 * turn(u).sin(), 0.2 * turn(v).cos(), 0.15 * turn(u + v).sin(), 100.0]
    };
    let finest: Vec<[f32; 4]> = (0..LAYERS * FINEST_TEXELS).map(wave).collect();
    Detail::new(&mut Exemplars::from_finest(&finest).unwrap())
}

fn gated() -> (Sender<()>, NeuralModel) {
    let (gate, opened) = channel();
    let opened = Mutex::new(Some(opened));
    let build = move || -> Result<Box<dyn WorldModel>, ModelError> {
        let opened = opened.lock().unwrap().take().expect("built once");
        Ok(Box::new(Gated(opened, Arc::new(waves()))))
    };
    (gate, NeuralModel::Custom(Arc::new(build)))
}

fn target(app: &mut App, size: UVec2) -> Handle<Image> {
    let mut image = Image::new_target_texture(size.x, size.y, TextureFormat::Rgba8UnormSrgb, None);
    image.texture_descriptor.usage |= TextureUsages::COPY_SRC;
    app.world_mut().resource_mut::<Assets<Image>>().add(image)
}

fn eye(x: f32, yaw: f32) -> Transform {
    Transform::from_xyz(x, 1.7, 5.0).with_rotation(Quat::from_euler(EulerRot::YXZ, yaw, -0.12, 0.0))
}

fn furnish(app: &mut App) {
    let tetrahedron = Collider::trimesh(
        vec![Vec3::ZERO, Vec3::X, Vec3::new(0.5, 0.0, -1.0), Vec3::new(0.5, 1.2, -0.4)],
        vec![[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]],
    )
    .unwrap();
    let bodies = [
        (Collider::cuboid(20.0, 0.5, 20.0), Transform::from_xyz(0.0, -0.5, 0.0)),
        (
            Collider::cuboid(0.5, 0.6, 0.4),
            eye(-2.0, 0.5).with_translation(Vec3::new(-2.2, 0.6, 0.0)),
        ),
        (Collider::ball(0.6), Transform::from_xyz(-0.7, 0.7, 1.0)),
        (Collider::cylinder(0.7, 0.35), Transform::from_xyz(0.8, 0.7, 0.2)),
        (Collider::capsule_y(0.5, 0.3), eye(0.0, 0.4).with_translation(Vec3::new(1.9, 0.9, 0.8))),
        (Collider::cone(0.7, 0.5), Transform::from_xyz(2.9, 0.7, -0.8)),
        (tetrahedron, Transform::from_xyz(-3.8, 0.0, -0.5)),
        (Collider::cuboid(5.0, 1.5, 0.2), Transform::from_xyz(0.0, 1.5, -4.0)),
    ];
    for (collider, transform) in bodies {
        app.world_mut().spawn((collider, transform));
    }
}

/// Share of pixels that differ by more than rounding, and the mean difference in bytes.
fn difference(a: &[[u8; 3]], b: &[[u8; 3]]) -> (f32, f32) {
    assert_eq!(a.len(), b.len());
    let far = |(a, b): (&[u8; 3], &[u8; 3])| (0..3).map(|c| a[c].abs_diff(b[c])).max().unwrap_or(0);
    let each: Vec<u8> = a.iter().zip(b).map(far).collect();
    let share = each.iter().filter(|d| **d > 4).count() as f32 / each.len() as f32;
    (share, each.iter().map(|d| f32::from(*d)).sum::<f32>() / each.len() as f32)
}

#[track_caller]
fn assert_same(what: &str, shown: &[[u8; 3]], expected: &[[u8; 3]]) {
    let (share, mean) = difference(shown, expected);
    // An edge may be rounded to the other side, and a software renderer filters textures in whole bytes.
    assert!(share < 0.01 && mean < 1.3, "{what}: {:.2} % differ, mean {mean:.2}", 100.0 * share);
}

#[test]
fn the_gpu_shows_what_the_plain_twin_shows() {
    let mut stage = Stage::new();
    // The camera has turned and walked since the frame, a ball has flown on, the cone has fallen over.
    let camera = stage.camera;
    *stage.app.world_mut().get_mut::<Transform>(camera).unwrap() = eye(0.5, 0.15);
    let world = stage.app.world_mut();
    let mut bodies = world.query::<(&Collider, &mut Transform)>();
    for (collider, mut transform) in bodies.iter_mut(world) {
        if collider.as_ball().is_some() {
            transform.translation += Vec3::new(0.5, 0.6, -0.3);
        }
        if collider.as_cone().is_some() {
            transform.rotate_z(1.2);
        }
    }
    for (filter, fill) in [
        (NeuralFilter::WarpAndUpsample, Fill::Guided),
        (NeuralFilter::Warp, Fill::Warp),
        (NeuralFilter::Bilinear, Fill::Bilinear),
        (NeuralFilter::Nearest, Fill::Nearest),
    ] {
        stage.set_filter(filter);
        let shown = stage.shot();
        let snapshot = stage.snapshot();
        assert_same(&format!("{filter:?}"), &shown, &stage.expected(&snapshot, fill));
    }
    // In the pose of then: the frame's own state, with the display's field of view.
    stage.set_filter(NeuralFilter::Upsample);
    let shown = stage.shot();
    let mut then = (*stage.picture().frame.unwrap().snapshot).clone();
    then.camera.vertical_fov_rad = stage.snapshot().camera.vertical_fov_rad;
    assert_same("Upsample", &shown, &stage.expected(&then, Fill::Guided));
}

#[test]
fn a_turn_is_in_the_next_picture() {
    let mut stage = Stage::new();
    let still = stage.shot();
    let camera = stage.camera;
    *stage.app.world_mut().get_mut::<Transform>(camera).unwrap() = eye(0.0, 0.1);
    let turned = stage.shot();
    let snapshot = stage.snapshot();
    assert_same("turned", &turned, &stage.expected(&snapshot, Fill::Guided));
    // A turn to the left moves everything to the right by tan(0.1) of the picture's slope.
    let tangent = (0.5 * snapshot.camera.vertical_fov_rad).tan();
    let shift = (0.1f32.tan() / tangent * 0.5 * SIZE.y as f32).round() as usize;
    let middle = SIZE.y as usize / 2 * SIZE.x as usize;
    let moved = |by: usize| -> u32 {
        (60..196)
            .map(|x| {
                let (a, b) = (still[middle + x - by], turned[middle + x]);
                (0..3).map(|c| u32::from(a[c].abs_diff(b[c]))).sum::<u32>()
            })
            .sum()
    };
    let best = (0..40).min_by_key(|by| moved(*by)).unwrap();
    assert!(best.abs_diff(shift) <= 2, "moved by {best} pixels, not {shift}");
    let presented = stage.last_presented();
    let figures = presented.figures(None);
    assert!(presented.pose.is_some_and(|pose| pose.warped) && presented.marks.source.is_some());
    assert!(figures.pose_age <= figures.source_age, "{figures:?}");
}

#[test]
fn a_dream_is_shown_as_it_is_and_no_way_takes_a_cut() {
    let mut stage = Stage::new();
    let epoch = stage.picture().epoch;
    stage.dream_in(NeuralMode::Dream);
    let camera = stage.camera;
    *stage.app.world_mut().get_mut::<Transform>(camera).unwrap() = eye(0.4, 0.15);
    let shown = stage.shot();
    let snapshot = stage.snapshot();
    // The camera has turned since, but what a dream shows is not where the shadow has it.
    assert_same("dream", &shown, &stage.expected(&snapshot, Fill::Bilinear));
    assert!(!stage.last_presented().pose.is_some_and(|pose| pose.warped));
    stage.dream_in(NeuralMode::Anchored);
    let shown = stage.shot();
    let snapshot = stage.snapshot();
    assert_same("anchored again", &shown, &stage.expected(&snapshot, Fill::Guided));
    assert_eq!(stage.picture().epoch, epoch);
}

/// What the main world puts into the cell while the frame is being prepared is what is drawn.
#[test]
fn the_pose_is_latched_after_extraction() {
    #[derive(Resource)]
    struct Late(LateLatch, Latched);

    let mut stage = Stage::new();
    stage.shot();
    let mut snapshot = stage.snapshot();
    snapshot.camera.world_from_camera.rotation = eye(0.0, -0.2).rotation;
    let latch = stage.app.world().get::<LateLatch>(stage.camera).unwrap().clone();
    let late = Latched {
        camera: snapshot.camera,
        snapshot: Arc::new(snapshot.clone()),
        style: STYLE,
        epoch: stage.picture().epoch,
        at: Instant::now(),
        input_at: Instant::now(),
    };
    stage.app.sub_app_mut(RenderApp).insert_resource(Late(latch, late)).add_systems(
        Render,
        (|late: Res<Late>| late.0.put(late.1.clone())).in_set(RenderSystems::PrepareBindGroups),
    );
    let shown = stage.shot();
    assert_same("late pose", &shown, &stage.expected(&snapshot, Fill::Guided));
}

#[test]
fn a_cut_is_painted_until_the_new_place_is_dreamed() {
    let mut stage = Stage::new();
    let camera = stage.camera;
    *stage.app.world_mut().get_mut::<Transform>(camera).unwrap() = eye(3.0, 2.6);
    stage.app.world_mut().write_message(CameraCut { camera });
    let cut = stage.shot();
    assert!(stage.last_presented().marks.source.is_none(), "nothing is warped");
    assert!(stage.picture().frame.is_none());
    assert!(cut.iter().all(|rgb| rgb.iter().any(|c| *c > 8)), "not black");
    // The request that was under way shows the old place; it must not be shown.
    stage.gate.send(()).unwrap();
    for _ in 0..10 {
        stage.app.update();
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(stage.picture().frame.is_none());
    stage.dream();
    let shown = stage.shot();
    assert!(stage.last_presented().marks.source.is_some());
    let snapshot = stage.snapshot();
    let frame = stage.picture().frame.unwrap();
    let turned = frame.snapshot.camera.world_from_camera.rotation;
    assert!(turned.angle_between(snapshot.camera.world_from_camera.rotation) < 1e-3);
    assert!(difference(&shown, &cut).1 > 3.0, "dreamed now");
}

#[test]
fn hdr_msaa_other_sizes_and_a_second_camera_are_right() {
    let mut stage = Stage::new();
    let camera = stage.camera;
    let check = |what: &str, stage: &mut Stage| {
        for _ in 0..4 {
            stage.app.update();
        }
        let shown = stage.shot();
        let snapshot = stage.snapshot();
        assert_same(what, &shown, &stage.expected(&snapshot, Fill::Guided));
    };
    stage.app.world_mut().entity_mut(camera).insert(Hdr);
    check("HDR", &mut stage);
    stage.app.world_mut().entity_mut(camera).remove::<Hdr>().insert(Msaa::Sample4);
    check("MSAA", &mut stage);
    stage.app.world_mut().entity_mut(camera).insert(Msaa::Off);

    stage.size = UVec2::new(320, 200);
    stage.image = target(&mut stage.app, stage.size);
    let scaled = ImageRenderTarget { handle: stage.image.clone(), scale_factor: 2.0 };
    stage.app.world_mut().entity_mut(camera).insert(RenderTarget::Image(scaled));
    check("another size and scale factor", &mut stage);

    // The second camera has a model, a size and a place of its own.
    let other_image = target(&mut stage.app, UVec2::new(96, 54));
    let (gate, model) = gated();
    gate.send(()).unwrap();
    let other = stage
        .app
        .world_mut()
        .spawn((
            NeuralCamera { model, style: STYLE, ..default() },
            Msaa::Off,
            RenderTarget::Image(other_image.clone().into()),
            eye(-1.0, 0.4),
        ))
        .id();
    for _ in 0..200 {
        stage.app.update();
        std::thread::sleep(std::time::Duration::from_millis(2));
        if stage.app.world().get::<NeuralPicture>(other).is_some_and(|p| p.serial > 0) {
            break;
        }
    }
    check("the first of two", &mut stage);
    let first = (stage.camera, stage.image.clone(), stage.size);
    (stage.camera, stage.image, stage.size) = (other, other_image, UVec2::new(96, 54));
    check("the second of two", &mut stage);
    (stage.camera, stage.image, stage.size) = first;
    drop(gate);
}
