//! A small world for tests, and an observer of its pictures that errs like a real one.

use glam::{Mat3, Mat4, Quat, Vec3};

use crate::expected::{Body, BodyKind, CameraPose, NONE, Pose, ShadowSnapshot, Shape};
use crate::observed::Evidence;

pub(crate) const WIDTH: usize = 128;
pub(crate) const HEIGHT: usize = 72;
pub(crate) const CLASSES: usize = 17;
/// Of the pictures.
pub(crate) const FPS: f64 = 15.0;

pub(crate) fn ball(radius_m: f32) -> Shape {
    Shape::Ball { radius_m }
}

pub(crate) fn cuboid(x: f32, y: f32, z: f32) -> Shape {
    Shape::Cuboid { half_extents_m: Vec3::new(x, y, z) }
}

/// A dynamic body at rest.
pub(crate) fn body_at(id: u64, shape: Shape, place: Vec3) -> Body {
    Body {
        id,
        shape,
        world_from_body: Pose::new(Quat::IDENTITY, place),
        linear_velocity_m_s: Vec3::ZERO,
        angular_velocity_rad_s: Vec3::ZERO,
        kind: BodyKind::Dynamic,
        material: 8,
        tint_srgb: None,
    }
}

pub(crate) fn fixed(id: u64, shape: Shape, place: Vec3, material: u8) -> Body {
    Body { kind: BodyKind::Fixed, material, ..body_at(id, shape, place) }
}

/// A court of 20 m with four walls and a few bodies, seen from eye height. Ids: 1 ground, 2 to 5 walls, 10 a crate at
/// 4 m, 11 a ball at 3.5 m, 12 a pillar at 6 m, 13 a far crate at 7 m.
pub(crate) fn court() -> ShadowSnapshot {
    let mut near = body_at(10, cuboid(0.4, 0.4, 0.4), Vec3::new(0.3, 0.4, 0.0));
    near.world_from_body.rotation = Quat::from_rotation_y(0.4);
    let mut rolling = body_at(11, ball(0.3), Vec3::new(-1.2, 0.3, 0.5));
    rolling.material = 10;
    let bodies = vec![
        fixed(1, cuboid(10.0, 0.5, 10.0), Vec3::new(0.0, -0.5, 0.0), 2),
        fixed(2, cuboid(10.0, 1.5, 0.2), Vec3::new(0.0, 1.5, -6.0), 4),
        fixed(3, cuboid(10.0, 1.5, 0.2), Vec3::new(0.0, 1.5, 9.0), 3),
        fixed(4, cuboid(0.2, 1.5, 10.0), Vec3::new(-7.0, 1.5, 0.0), 5),
        fixed(5, cuboid(0.2, 1.5, 10.0), Vec3::new(7.0, 1.5, 0.0), 3),
        near,
        rolling,
        fixed(
            12,
            Shape::Cylinder { half_height_m: 1.2, radius_m: 0.3 },
            Vec3::new(2.4, 1.2, -2.0),
            6,
        ),
        body_at(13, cuboid(0.35, 0.35, 0.35), Vec3::new(-1.0, 0.35, -3.0)),
    ];
    ShadowSnapshot {
        camera: looking(Vec3::new(0.0, 1.6, 4.0), Vec3::new(0.0, 0.8, 0.0)),
        bodies,
        sun_direction: Vec3::new(0.5, 0.8, 0.3).normalize(),
        ..ShadowSnapshot::default()
    }
}

/// [`court`] with other bodies in place of the movable ones.
pub(crate) fn snapshot_of(bodies: Vec<Body>) -> ShadowSnapshot {
    let mut snapshot = court();
    snapshot.bodies.truncate(5);
    snapshot.bodies.extend(bodies);
    snapshot
}

pub(crate) fn looking(from: Vec3, to: Vec3) -> CameraPose {
    let view = Mat3::from_mat4(Mat4::look_at_rh(from, to, Vec3::Y)).transpose();
    CameraPose {
        world_from_camera: Pose::new(Quat::from_mat3(&view), from),
        vertical_fov_rad: 60f32.to_radians(),
    }
}

/// Body `id` of a snapshot.
pub(crate) fn body(snapshot: &mut ShadowSnapshot, id: u64) -> &mut Body {
    snapshot.bodies.iter_mut().find(|body| body.id == id).unwrap()
}

/// Small and fast (SplitMix64, Steele et al. 2014): noise for tests.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    /// 0 to 1.
    pub(crate) fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ z >> 31) >> 40) as f32 / (1u64 << 24) as f32
    }

    /// About normal, unit variance.
    pub(crate) fn normal(&mut self) -> f32 {
        (0..6).map(|_| self.uniform() - 0.5).sum::<f32>() * std::f32::consts::SQRT_2
    }
}

/// What an observer says that knows nothing.
pub(crate) fn blind() -> Evidence {
    Evidence {
        width: WIDTH,
        height: HEIGHT,
        classes: CLASSES,
        probability: vec![0.0; WIDTH * HEIGHT * CLASSES],
        depth_m: vec![0.0; WIDTH * HEIGHT],
        depth_sigma: vec![0.08; WIDTH * HEIGHT],
        rgb: Vec::new(),
    }
}

/// What an observer says of a picture of `drawn`: classes blurred at edges and wrong in patches, depth with a deviation of
/// 6 %, both anew in each picture; one crate face is always taken for wood.
pub(crate) fn observe(drawn: &ShadowSnapshot, noise: &mut Noise) -> Evidence {
    let mut expected = crate::Expected::default();
    expected.draw(drawn.clone().into(), WIDTH, HEIGHT);
    let class = |pixel: usize| match expected.object[pixel] {
        NONE => CLASSES - 1,
        object => usize::from(drawn.bodies[usize::from(object)].material),
    };
    let mut evidence = blind();
    // Errors come in patches of 4 × 4 pixels, as those of a network do.
    let patches: Vec<(f32, f32, usize)> = (0..WIDTH * HEIGHT / 16)
        .map(|_| (noise.uniform(), noise.normal(), (noise.uniform() * CLASSES as f32) as usize))
        .collect();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let pixel = y * WIDTH + x;
            let (doubt, depth, other) = patches[y / 4 * (WIDTH / 4) + x / 4];
            let said = &mut evidence.probability[pixel * CLASSES..(pixel + 1) * CLASSES];
            let around = [(0isize, 0isize), (-1, 0), (1, 0), (0, -1), (0, 1)];
            let mut weight = 0.0;
            for (dx, dy) in around {
                let (nx, ny) = (x as isize + dx, y as isize + dy);
                if nx < 0 || ny < 0 || nx >= WIDTH as isize || ny >= HEIGHT as isize {
                    continue;
                }
                let share = if (dx, dy) == (0, 0) { 2.0 } else { 1.0 };
                said[class(ny as usize * WIDTH + nx as usize)] += share;
                weight += share;
            }
            let wrong = if doubt > 0.95 { 0.6 } else { 0.25 * doubt };
            let spread = 0.05;
            for p in said.iter_mut() {
                *p = (1.0 - wrong - spread) * *p / weight + spread / CLASSES as f32;
            }
            said[other.min(CLASSES - 1)] += wrong;
            let error = 0.05 * depth + 0.03 * noise.normal();
            evidence.depth_m[pixel] = expected.depth_m[pixel] * error.exp();
        }
    }
    evidence
}

/// A picture of a snapshot, sRGB: every body in a colour of its own, edges smoothed.
pub(crate) fn painted(snapshot: &ShadowSnapshot) -> Vec<u8> {
    const FINER: usize = 3;
    let mut expected = crate::Expected::default();
    expected.draw(snapshot.clone().into(), FINER * WIDTH, FINER * HEIGHT);
    let colour = |object: u16| match snapshot.bodies.get(usize::from(object)) {
        Some(body) => [60 + (body.id * 53 % 160) as u16, 40 + (body.id * 91 % 180) as u16, 90],
        None => [120, 160, 220],
    };
    let mut rgb = Vec::with_capacity(3 * WIDTH * HEIGHT);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let mut sum = [0u16; 3];
            for part in 0..FINER * FINER {
                let row = FINER * y + part / FINER;
                let column = FINER * x + part % FINER;
                let of = colour(expected.object[row * FINER * WIDTH + column]);
                sum.iter_mut().zip(of).for_each(|(sum, value)| *sum += value);
            }
            rgb.extend(sum.map(|sum| (sum / (FINER * FINER) as u16) as u8));
        }
    }
    rgb
}
