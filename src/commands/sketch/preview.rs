//! The annotated preview: the sketch, straightened, with what was understood of it drawn on top.

use std::error::Error;

use bevy::math::{Vec2, Vec3Swizzles};
use bevy_reverie::level::build::AT_GOAL_M;
use bevy_reverie::level::route::Ground;
use bevy_reverie::level::{Role, Sourced};
use bevy_reverie::sketch::{CellKind, Page, Plan, Reading, Warning};
use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

/// The longer side of the sketch in the preview, pixels.
const LONG_SIDE: f32 = 960.0;
const MARGIN: u32 = 12;
const LINE: u32 = 20;
/// Lines of text below the sketch.
const MOST_LINES: usize = 14;
/// Letters of a line, for each pixel of width.
const LETTERS_PER_PX: f32 = 0.145;
const FONT: &str = "reverie";

const PAPER: Rgb<u8> = Rgb([250, 250, 247]);
const WALL: [f32; 3] = [200.0, 30.0, 60.0];
const FLOOR: [f32; 3] = [120.0, 210.0, 130.0];
const UNREACHED: [f32; 3] = [150.0, 150.0, 160.0];
const HAZARD: [f32; 3] = [40.0, 90.0, 235.0];
const RAMP: [f32; 3] = [170.0, 120.0, 220.0];
const DOOR: [f32; 3] = [250.0, 210.0, 40.0];

const INK: RGBColor = RGBColor(30, 32, 38);
const EDGE: RGBColor = RGBColor(150, 10, 40);
const BODY: RGBColor = RGBColor(120, 70, 20);
const WAY: RGBColor = RGBColor(20, 110, 60);
const START: RGBColor = RGBColor(10, 130, 50);
const GOAL: RGBColor = RGBColor(215, 20, 30);
const CAUTION: RGBColor = RGBColor(235, 130, 0);

type Drawn = Result<(), Box<dyn Error>>;

/// A picture in the making: the sketch, scaled, and where metres lie on it.
struct Sheet {
    picture: RgbImage,
    px_per_m: f32,
    lines: Vec<(RGBColor, String)>,
}

/// The preview of a level that can be played.
pub fn accepted(sourced: &Sourced, reading: &Reading) -> Result<RgbImage, Box<dyn Error>> {
    let mut sheet = Sheet::new(&reading.page);
    sheet.tint(&reading.plan);
    let plan = &reading.plan;
    let title = format!(
        "{}: {}×{} cells of {:.2} m, {} rooms, {} bodies",
        sourced.level.name,
        plan.width,
        plan.height,
        plan.cell_m,
        plan.rooms,
        sourced.level.bodies.len()
    );
    sheet.lines.push((INK, title));
    sheet.caution(&sourced.warnings);
    sheet.finish(|sheet, area| {
        sheet.outlines(area, sourced)?;
        sheet.way(area, sourced)?;
        let spawn_m = sourced.level.spawn_m.xz();
        let yaw = sourced.level.spawn_yaw_rad;
        let look = spawn_m + 0.9 * Vec2::new(-yaw.sin(), -yaw.cos());
        sheet.line(area, &[spawn_m, look], START.stroke_width(3))?;
        sheet.ring(area, spawn_m, 0.3, START.filled())?;
        if let Some(goal_m) = sourced.level.goal_m {
            sheet.ring(area, goal_m.xz(), 0.45, GOAL.stroke_width(3))?;
            sheet.ring(area, goal_m.xz(), 0.15, GOAL.filled())?;
        }
        sheet.numbers(area, &sourced.warnings)
    })
}

/// The preview of a sketch that is refused: why, and where.
pub fn refused(
    page: &Page,
    plan: Option<&Plan>,
    reason: &str,
    at_m: Option<Vec2>,
    warnings: &[Warning],
) -> Result<RgbImage, Box<dyn Error>> {
    let mut sheet = Sheet::new(page);
    if let Some(plan) = plan {
        sheet.tint(plan);
    }
    sheet.lines.push((GOAL, format!("refused: {reason}")));
    sheet.caution(warnings);
    sheet.finish(|sheet, area| {
        if let Some(plan) = plan {
            for (place_m, color) in [(plan.spawn_m, START), (plan.goal_m, GOAL)] {
                if let Some(place_m) = place_m {
                    sheet.ring(area, place_m, 0.3, color.filled())?;
                }
            }
        }
        sheet.numbers(area, warnings)?;
        let Some(at_m) = at_m else { return Ok(()) };
        let (x, y) = sheet.pixel(at_m);
        area.draw(&Circle::new((x, y), 26, GOAL.stroke_width(5)))?;
        let arms = [[(-18, -18), (18, 18)], [(-18, 18), (18, -18)]];
        for arm in arms.map(|arm| arm.map(|(dx, dy)| (x + dx, y + dy))) {
            area.draw(&PathElement::new(arm, GOAL.stroke_width(5)))?;
        }
        Ok(())
    })
}

impl Sheet {
    fn new(page: &Page) -> Self {
        let (width, height) = page.picture.dimensions();
        let scale = LONG_SIDE / width.max(height).max(1) as f32;
        let size = |px: u32| ((px as f32 * scale).round() as u32).clamp(1, LONG_SIDE as u32);
        // Tiles stay sharp, photos smooth.
        let filter = if scale > 3.0 { FilterType::Nearest } else { FilterType::Triangle };
        let picture = resize(&page.picture, size(width), size(height), filter);
        Self { picture, px_per_m: page.pixels_per_metre * scale, lines: Vec::new() }
    }

    fn pixel(&self, place_m: Vec2) -> (i32, i32) {
        let px = place_m * self.px_per_m;
        (px.x.round() as i32 + MARGIN as i32, px.y.round() as i32 + MARGIN as i32)
    }

    /// Lays a colour on each pixel for the cell that it lies in.
    fn tint(&mut self, plan: &Plan) {
        let reached = plan.spawn_m.map(|m| plan.reachable_from(m)).unwrap_or_default();
        let px_per_m = self.px_per_m;
        for (x, y, pixel) in self.picture.enumerate_pixels_mut() {
            let place_m = (Vec2::new(x as f32, y as f32) + 0.5) / px_per_m;
            let (column, row) = plan.cell_at(place_m);
            let Some(index) = plan.index(column, row) else { continue };
            let (color, share) = match plan.cell(column, row).kind {
                CellKind::Outside => continue,
                CellKind::Wall => (WALL, 0.45),
                CellKind::Hazard => (HAZARD, 0.4),
                CellKind::Ramp { .. } => (RAMP, 0.45),
                CellKind::Door => (DOOR, 0.45),
                CellKind::Floor if reached.get(index) == Some(&true) => (FLOOR, 0.22),
                CellKind::Floor => (UNREACHED, 0.45),
            };
            for (value, over) in pixel.0.iter_mut().zip(color) {
                *value = (f32::from(*value) * (1.0 - share) + over * share) as u8;
            }
        }
    }

    fn caution(&mut self, warnings: &[Warning]) {
        for (index, warning) in warnings.iter().enumerate() {
            self.lines.push((CAUTION, format!("{}  {}", index + 1, warning.text)));
        }
    }

    /// Adds margins and the lines of text, and lets `draw` draw on all.
    fn finish(
        self,
        draw: impl FnOnce(&Self, &Area<'_>) -> Drawn,
    ) -> Result<RgbImage, Box<dyn Error>> {
        let (width, height) = self.picture.dimensions();
        let whole = (width + 2 * MARGIN).max(420);
        let letters = (whole as f32 * LETTERS_PER_PX) as usize;
        let mut lines: Vec<(RGBColor, String)> = self
            .lines
            .iter()
            .flat_map(|(color, text)| wrapped(text, letters).into_iter().map(|t| (*color, t)))
            .collect();
        if lines.len() > MOST_LINES {
            let more = lines.len() - (MOST_LINES - 1);
            lines.truncate(MOST_LINES - 1);
            lines.push((INK, format!("… and {more} lines more")));
        }
        let size = (whole, height + 3 * MARGIN + LINE * lines.len() as u32);
        let mut picture = RgbImage::from_pixel(size.0, size.1, PAPER);
        image::imageops::replace(&mut picture, &self.picture, i64::from(MARGIN), i64::from(MARGIN));
        register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
            .map_err(|_| "the built-in font cannot be read")?;
        {
            let area = BitMapBackend::with_buffer(&mut picture, size).into_drawing_area();
            draw(&self, &area)?;
            for (row, (color, text)) in lines.iter().enumerate() {
                let y = (height + 2 * MARGIN + LINE * row as u32) as i32;
                area.draw(&Text::new(
                    text.as_str(),
                    (MARGIN as i32, y),
                    (FONT, 16).into_font().color(color),
                ))?;
            }
            area.present()?;
        }
        Ok(picture)
    }

    /// Edges of what was built.
    fn outlines(&self, area: &Area<'_>, sourced: &Sourced) -> Drawn {
        for body in &sourced.level.bodies {
            let style = match body.role {
                Role::Wall | Role::Block | Role::Pillar => EDGE.stroke_width(1),
                Role::Crate | Role::Ball => BODY.stroke_width(2),
                Role::Foliage => WAY.stroke_width(1),
                _ => continue,
            };
            let (low, high) = body.bounds_m();
            if matches!(body.role, Role::Ball | Role::Pillar) {
                self.ring(area, 0.5 * (low + high).xz(), 0.5 * (high.x - low.x), style)?;
            } else {
                let corners = [self.pixel(low.xz()), self.pixel(high.xz())];
                area.draw(&Rectangle::new(corners, style))?;
            }
        }
        Ok(())
    }

    /// The way to the goal, dotted.
    fn way(&self, area: &Area<'_>, sourced: &Sourced) -> Drawn {
        let level = &sourced.level;
        let Some(goal_m) = level.goal_m else { return Ok(()) };
        let (_, way) = Ground::with_way(level, level.spawn_m.xz(), goal_m.xz(), AT_GOAL_M);
        let mut last = Vec2::INFINITY;
        for point in way.iter().flatten().map(|point| point.xz()) {
            if point.distance(last) > 0.4 {
                area.draw(&Circle::new(self.pixel(point), 2, WAY.filled()))?;
                last = point;
            }
        }
        Ok(())
    }

    fn line(&self, area: &Area<'_>, points_m: &[Vec2], style: ShapeStyle) -> Drawn {
        let points: Vec<(i32, i32)> = points_m.iter().map(|m| self.pixel(*m)).collect();
        Ok(area.draw(&PathElement::new(points, style))?)
    }

    fn ring(&self, area: &Area<'_>, at_m: Vec2, radius_m: f32, style: ShapeStyle) -> Drawn {
        let radius = (radius_m * self.px_per_m).clamp(3.0, 200.0) as i32;
        Ok(area.draw(&Circle::new(self.pixel(at_m), radius, style))?)
    }

    /// The place of each warning, with its number.
    fn numbers(&self, area: &Area<'_>, warnings: &[Warning]) -> Drawn {
        for (index, warning) in warnings.iter().enumerate() {
            let Some(at_m) = warning.at_m else { continue };
            let (x, y) = self.pixel(at_m);
            area.draw(&Circle::new((x, y), 11, CAUTION.filled()))?;
            let text = (index + 1).to_string();
            let left = if text.len() > 1 { 8 } else { 4 };
            area.draw(&Text::new(text, (x - left, y - 8), (FONT, 16).into_font().color(&WHITE)))?;
        }
        Ok(())
    }
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

/// Text in lines of at most `letters` letters, broken at spaces.
fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let full = lines.last().is_some_and(|l| {
            !l.is_empty() && l.chars().count() + 1 + word.chars().count() > letters
        });
        if full {
            lines.push("    ".to_owned());
        }
        if let Some(line) = lines.last_mut() {
            if !line.trim().is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
