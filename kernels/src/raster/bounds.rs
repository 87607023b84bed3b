//! Screen rectangles that surely hold all of a shape.

use glam::Vec3;

use super::NEAR_M;
use super::shape::ObjectView;

/// Pixels from (`x0`, `y0`) up to but not (`x1`, `y1`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PixelRect {
    pub(crate) x0: usize,
    pub(crate) y0: usize,
    pub(crate) x1: usize,
    pub(crate) y1: usize,
}

/// Scale from ray slopes to pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    width: usize,
    height: usize,
    tan_x: f32,
    tan_y: f32,
}

const BOX_EDGES: [(usize, usize); 12] = [
    (0, 1),
    (2, 3),
    (4, 5),
    (6, 7),
    (0, 2),
    (1, 3),
    (4, 6),
    (5, 7),
    (0, 4),
    (1, 5),
    (2, 6),
    (3, 7),
];
const TRIANGLE_EDGES: [(usize, usize); 3] = [(0, 1), (1, 2), (2, 0)];

impl Screen {
    pub(crate) fn new(vertical_fov_rad: f32, width: usize, height: usize) -> Self {
        let tan_y = (0.5 * vertical_fov_rad).tan();
        Self { width, height, tan_x: tan_y * width as f32 / height as f32, tan_y }
    }

    /// Around a box in object coordinates.
    pub(crate) fn around_box(
        &self,
        view: &ObjectView,
        centre: Vec3,
        half: Vec3,
    ) -> Option<PixelRect> {
        let corners: [Vec3; 8] = std::array::from_fn(|corner| {
            let sign = |bit: usize| if corner >> bit & 1 == 1 { 1.0 } else { -1.0 };
            to_camera(view, centre + half * Vec3::new(sign(0), sign(1), sign(2)))
        });
        self.around(&corners, &BOX_EDGES)
    }

    /// Around a triangle in object coordinates.
    pub(crate) fn around_triangle(
        &self,
        view: &ObjectView,
        corners: [Vec3; 3],
    ) -> Option<PixelRect> {
        self.around(&corners.map(|corner| to_camera(view, corner)), &TRIANGLE_EDGES)
    }

    fn around(&self, corners: &[Vec3], edges: &[(usize, usize)]) -> Option<PixelRect> {
        let (mut low_x, mut high_x) = (f32::INFINITY, f32::NEG_INFINITY);
        let (mut low_y, mut high_y) = (f32::INFINITY, f32::NEG_INFINITY);
        let mut include = |point: Vec3, depth_m: f32| {
            let (x, y) = (point.x / depth_m, point.y / depth_m);
            (low_x, high_x) = (low_x.min(x), high_x.max(x));
            (low_y, high_y) = (low_y.min(y), high_y.max(y));
        };
        let seen = |point: Vec3| -point.z >= NEAR_M;
        for &corner in corners {
            if seen(corner) {
                include(corner, -corner.z);
            }
        }
        // Where an edge passes through the near plane it is cut there.
        for &(from, to) in edges {
            let (a, b) = (corners[from], corners[to]);
            if seen(a) != seen(b) {
                include(a.lerp(b, (NEAR_M + a.z) / (a.z - b.z)), NEAR_M);
            }
        }
        if low_x > high_x {
            return None;
        }
        // Slack for the rounding of the corners, in pixels.
        let slack = 0.02;
        let column = |slope: f32| (slope / self.tan_x + 1.0) * 0.5 * self.width as f32 - 0.5;
        let row = |slope: f32| (1.0 - slope / self.tan_y) * 0.5 * self.height as f32 - 0.5;
        // A cast from float to integer saturates, so whatever is left of the screen becomes 0.
        let rect = PixelRect {
            x0: (column(low_x) - slack).ceil() as usize,
            x1: ((column(high_x) + slack).floor() + 1.0).min(self.width as f32) as usize,
            y0: (row(high_y) - slack).ceil() as usize,
            y1: ((row(low_y) + slack).floor() + 1.0).min(self.height as f32) as usize,
        };
        (rect.x0 < rect.x1 && rect.y0 < rect.y1).then_some(rect)
    }
}

fn to_camera(view: &ObjectView, point: Vec3) -> Vec3 {
    view.object_from_camera.transpose() * (point - view.origin_m)
}
