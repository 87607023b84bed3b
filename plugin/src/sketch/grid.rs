//! Pixel grids: every pixel, or every block of equal pixels, is a tile in a colour of the legend.

use glam::Vec2;
use image::RgbImage;

use super::colour;
use super::error::{RefusalReason, SketchError, Warning, WarningKind};
use super::legend::{BodyShape, EntryKind, Legend};
use super::plan::{Cell, CellKind, Compass, Plan, PlannedBody};
use super::raster::{Raster, components, distance, quantile};
use super::settle::{Draft, MOST_CELLS};
use super::{Mode, Page, Reading, SketchOptions};

/// Edge of a tile where nothing says how large the drawing is, metres.
pub const DEFAULT_TILE_M: f32 = 1.0;
/// More colours than this are no legend's.
const MOST_COLOURS: usize = 48;
/// Colours this close to a legend's are meant to be it, see [`colour::difference`].
const CLOSE: f32 = 0.45;
/// Pictures with one pixel a tile are taken for a grid up to this size.
const MOST_PIXELS_A_SIDE: u32 = 512;
/// Marks of so many pixels are drawn with a brush and not as one tile.
const BRUSHED_PX: usize = 9;

/// Where tiles begin, and how large they are, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tiles {
    pub block: u32,
    pub x0: u32,
    pub y0: u32,
}

/// Finds the tiles of a picture that is a pixel grid; `None` if it looks drawn by hand.
pub(super) fn detect(picture: &RgbImage, legend: &Legend) -> Option<Tiles> {
    let colours = few_colours(picture)?;
    let known = |colour: &[u8; 3]| nearest(legend, *colour).1 <= CLOSE || is_grey(*colour);
    if !colours.iter().all(known) {
        return None;
    }
    let tiles = tiles(picture);
    let (width, height) = picture.dimensions();
    if tiles.block >= 2 {
        // A rectangle or two lie on some grid by chance; tiles are smaller than what they make up.
        let across = width.max(height) / tiles.block;
        return (across as usize <= MOST_CELLS && across >= 3).then_some(tiles);
    }
    let is_small = width.max(height) <= MOST_PIXELS_A_SIDE;
    (is_small && !is_brushed(picture, legend)).then_some(tiles)
}

/// Reads a pixel grid.
///
/// # Errors
/// See [`Draft::settle`].
pub(super) fn read(
    picture: &RgbImage,
    options: &SketchOptions,
    tiles: Tiles,
) -> Result<Reading, SketchError> {
    let mut warnings = Vec::new();
    let tile_m = options.metres_per_pixel.map_or(DEFAULT_TILE_M, |m| m * tiles.block as f32);
    if options.metres_per_pixel.is_none() {
        let text = format!(
            "nothing says how large the drawing is: a tile is taken for {DEFAULT_TILE_M} m; give --metres-per-pixel"
        );
        warnings.push(Warning { kind: WarningKind::Scale, text, at_m: None });
    }
    let pixels_per_metre = tiles.block as f32 / tile_m;
    let page = Page { picture: picture.clone(), pixels_per_metre };
    let count = |from: u32, side: u32| ((side - from) / tiles.block) as usize;
    let (width, height) = (count(tiles.x0, picture.width()), count(tiles.y0, picture.height()));
    let origin_m = Vec2::new(tiles.x0 as f32, tiles.y0 as f32) / pixels_per_metre;
    let plan = Plan { cell_m: tile_m, origin_m, width, height, ..Plan::default() };
    let mut draft = Draft { plan, spawns_m: Vec::new(), goals_m: Vec::new(), warnings };
    if width.max(height) > MOST_CELLS {
        let text = format!("{width}×{height} tiles are too many: draw at most {MOST_CELLS} a side");
        return Err(draft.refuse(RefusalReason::TooManyCells, None, text, &page));
    }
    let colour_at = |x: usize, y: usize| {
        let at = |from: u32, i: usize| from + i as u32 * tiles.block + tiles.block / 2;
        picture.get_pixel(at(tiles.x0, x), at(tiles.y0, y)).0
    };
    let colours = Raster::from_fn(width, height, colour_at);
    let legend = &options.legend;
    let mut entries = Raster::new(width, height, 0_u8);
    let mut told: Vec<u8> = Vec::new();
    for (i, colour) in colours.data.iter().enumerate() {
        let (entry, off) = nearest(legend, *colour);
        entries.data[i] = entry;
        let is_ramp = legend.get(entry).is_some_and(|e| e.kind == EntryKind::Ramp);
        if off > CLOSE && !(is_ramp && is_grey(*colour)) && !told.contains(&entry) {
            told.push(entry);
            let [r, g, b] = colour;
            let name = legend.get(entry).map_or("nothing", |entry| &entry.name);
            let text = format!("the legend has no colour #{r:02x}{g:02x}{b:02x}: read as {name}");
            let at_m = draft.plan.centre_m((i % width) as i32, (i / width) as i32);
            draft.warn(WarningKind::UnknownColour, Some(at_m), text);
        }
    }
    invert(&mut entries, legend);
    lay(&mut draft, &entries, &colours, legend);
    let (plan, warnings) = draft.settle(legend, &page)?;
    Ok(Reading {
        plan,
        legend: legend.clone(),
        warnings,
        mode: Mode::PixelGrid,
        page,
        confidence: 1.0,
        time_ms: 0.0,
    })
}

/// Lays tiles into the plan: marks stand on floor.
fn lay(draft: &mut Draft, entries: &Raster<u8>, colours: &Raster<[u8; 3]>, legend: &Legend) {
    let floor = super::settle::entry_of(legend, EntryKind::Floor);
    let (groups, pieces) = components(&entries.map(|entry| entry + 1), false);
    let kind_of = |entry: u8| legend.get(entry).map_or(EntryKind::Floor, |entry| entry.kind);
    let mut towards = vec![Compass::North; pieces.len()];
    let mut by_size: Vec<(usize, usize)> = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        by_size.push((piece.area, index));
        let entry = entries.get(piece.seed.0 as i32, piece.seed.1 as i32).unwrap_or(0);
        let centre_m =
            draft.plan.origin_m + Vec2::new(piece.centre().0, piece.centre().1) * draft.plan.cell_m;
        match kind_of(entry) {
            EntryKind::Body(shape) => {
                let (columns, rows) = piece.size();
                let size_m = Vec2::new(columns as f32, rows as f32) * draft.plan.cell_m;
                let size_m = body_size(shape, size_m);
                draft.plan.bodies.push(PlannedBody { centre_m, size_m, entry });
            }
            EntryKind::Ramp => {
                let label = index as u32 + 1;
                let shades = groups.data.iter().zip(&colours.data).enumerate();
                let shades =
                    shades.filter(|(_, (group, _))| **group == label).map(|(i, (_, c))| {
                        let (x, y) = (i % entries.width, i / entries.width);
                        (Vec2::new(x as f32, y as f32), luma(*c))
                    });
                let (compass, is_sure) = uphill(
                    shades,
                    piece.size(),
                    |x, y| entries.get(x, y).is_some_and(|entry| kind_of(entry) == EntryKind::Wall),
                    (piece.min.0 as i32, piece.min.1 as i32),
                );
                towards[index] = compass;
                if !is_sure {
                    let text = format!(
                        "which end of the ramp is up is a guess ({compass:?}): draw that end darker"
                    );
                    draft.warn(WarningKind::Ramp, Some(centre_m), text);
                }
            }
            _ => {}
        }
    }
    by_size.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, index) in by_size {
        let piece = &pieces[index];
        let entry = entries.get(piece.seed.0 as i32, piece.seed.1 as i32).unwrap_or(0);
        let centre = Vec2::new(piece.centre().0, piece.centre().1);
        let centre_m = draft.plan.origin_m + centre * draft.plan.cell_m;
        match kind_of(entry) {
            EntryKind::Spawn => draft.spawns_m.push(centre_m),
            EntryKind::Goal => draft.goals_m.push(centre_m),
            _ => {}
        }
    }
    let cells = entries.data.iter().zip(&groups.data).map(|(entry, group)| {
        let kind = match kind_of(*entry) {
            EntryKind::Wall => CellKind::Wall,
            EntryKind::Hazard => CellKind::Hazard,
            EntryKind::Door => CellKind::Door,
            EntryKind::Ramp => {
                let towards = towards.get((*group as usize).saturating_sub(1)).copied();
                CellKind::Ramp { towards: towards.unwrap_or(Compass::North) }
            }
            EntryKind::Floor => CellKind::Floor,
            _ => return Cell { kind: CellKind::Floor, entry: floor },
        };
        Cell { kind, entry: *entry }
    });
    draft.plan.cells = cells.collect();
}

/// Bodies are pushed through doorways: no larger than that, and balls are round.
pub(super) fn body_size(shape: BodyShape, size_m: Vec2) -> Vec2 {
    const LARGEST_BODY_M: f32 = 3.0;
    let size_m = size_m.clamp(Vec2::splat(0.2), Vec2::splat(LARGEST_BODY_M));
    match shape {
        BodyShape::Box => size_m,
        BodyShape::Ball => Vec2::splat(0.5 * (size_m.x + size_m.y)),
    }
}

/// Where a ramp leads up, and whether that was drawn: to its darker end, or along its longer side to the wall that it
/// touches with one end alone.
pub(super) fn uphill(
    shades: impl Iterator<Item = (Vec2, f32)> + Clone,
    size: (usize, usize),
    is_wall: impl Fn(i32, i32) -> bool,
    min: (i32, i32),
) -> (Compass, bool) {
    let count = shades.clone().count().max(1) as f32;
    let (place, shade) =
        shades.clone().fold((Vec2::ZERO, 0.0), |(p, s), (place, shade)| (p + place, s + shade));
    let (place, shade) = (place / count, shade / count);
    let mut slope = Vec2::ZERO;
    let mut spread = Vec2::splat(1e-6);
    for (at, value) in shades {
        slope += (at - place) * (value - shade);
        spread += (at - place) * (at - place);
    }
    // Change of shade over the whole ramp, along each side; negative where it darkens to the east or south.
    let change = slope / spread * Vec2::new(size.0 as f32, size.1 as f32);
    if change.abs().max_element() > 18.0 {
        let compass = match (change.x.abs() > change.y.abs(), change.x < 0.0, change.y < 0.0) {
            (true, true, _) => Compass::East,
            (true, false, _) => Compass::West,
            (false, _, true) => Compass::South,
            (false, _, false) => Compass::North,
        };
        return (compass, true);
    }
    let (x0, y0) = min;
    let (x1, y1) = (x0 + size.0 as i32, y0 + size.1 as i32);
    let walls_beside = |compass: Compass| -> usize {
        match compass {
            Compass::North => (x0..x1).filter(|x| is_wall(*x, y0 - 1)).count(),
            Compass::South => (x0..x1).filter(|x| is_wall(*x, y1)).count(),
            Compass::West => (y0..y1).filter(|y| is_wall(x0 - 1, *y)).count(),
            Compass::East => (y0..y1).filter(|y| is_wall(x1, *y)).count(),
        }
    };
    let (one, other) = if size.0 > size.1 {
        (Compass::East, Compass::West)
    } else {
        (Compass::North, Compass::South)
    };
    match (walls_beside(one) > 0, walls_beside(other) > 0) {
        (true, false) => (one, true),
        (false, true) => (other, true),
        _ => (one, false),
    }
}

/// In a light drawing on dark, walls and floor change places: a few thin light walls in much dark, and no way over
/// light from the spawn to the goal.
fn invert(entries: &mut Raster<u8>, legend: &Legend) {
    let (Some(wall), Some(floor)) = (legend.first(EntryKind::Wall), legend.first(EntryKind::Floor))
    else {
        return;
    };
    let count = |entry: u8| entries.data.iter().filter(|other| **other == entry).count();
    let (dark, light) = (thickness(entries, wall, floor), thickness(entries, floor, wall));
    let is_thin_light = count(wall) > count(floor) && light <= 1.5 && dark > 1.6 * light;
    let (groups, _) = components(&entries.map(|entry| u8::from(entry != wall)), false);
    let group_of = |kind: EntryKind| {
        let entry = legend.first(kind)?;
        let place = entries.data.iter().position(|other| *other == entry)?;
        groups.data.get(place).copied()
    };
    let spawn = group_of(EntryKind::Spawn);
    if is_thin_light && (spawn.is_none() || spawn != group_of(EntryKind::Goal)) {
        for entry in &mut entries.data {
            *entry = if *entry == wall {
                floor
            } else if *entry == floor {
                wall
            } else {
                *entry
            };
        }
    }
}

/// Half of how thick most of an entry's tiles lie, up to those of another.
fn thickness(entries: &Raster<u8>, entry: u8, other: u8) -> f32 {
    let far = distance(&entries.map(|one| one == other));
    let inside = entries.data.iter().zip(&far.data).filter(|(one, _)| **one == entry);
    let inside: Vec<f32> = inside.map(|(_, d)| *d).filter(|d| d.is_finite()).collect();
    quantile(&inside, 0.75).unwrap_or(0.0)
}

/// The distinct colours of a picture, `None` if they are many.
fn few_colours(picture: &RgbImage) -> Option<Vec<[u8; 3]>> {
    let mut colours: Vec<[u8; 3]> = Vec::new();
    let mut last = None;
    for pixel in picture.pixels() {
        if last == Some(pixel.0) {
            continue;
        }
        last = Some(pixel.0);
        if !colours.contains(&pixel.0) {
            colours.push(pixel.0);
            if colours.len() > MOST_COLOURS {
                return None;
            }
        }
    }
    Some(colours)
}

/// Index of the legend's nearest colour, and how different it is.
fn nearest(legend: &Legend, colour: [u8; 3]) -> (u8, f32) {
    let entries = legend.entries.iter().enumerate();
    let best = entries
        .map(|(i, entry)| (colour::difference(colour, entry.colour), i))
        .min_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map_or((0, f32::MAX), |(off, index)| (index as u8, off))
}

/// Shades of grey between black and white: parts of a ramp.
fn is_grey([r, g, b]: [u8; 3]) -> bool {
    let (least, most) = (r.min(g).min(b), r.max(g).max(b));
    most - least <= 12 && (70..=215).contains(&most)
}

fn luma([r, g, b]: [u8; 3]) -> f32 {
    0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)
}

/// The coarsest grid on which all changes of colour lie.
fn tiles(picture: &RgbImage) -> Tiles {
    let (width, height) = picture.dimensions();
    let mut along = vec![false; width as usize];
    let mut down = vec![false; height as usize];
    for (x, y, pixel) in picture.enumerate_pixels() {
        if x > 0 && picture.get_pixel(x - 1, y) != pixel {
            along[x as usize] = true;
        }
        if y > 0 && picture.get_pixel(x, y - 1) != pixel {
            down[y as usize] = true;
        }
    }
    let places = |changes: &[bool]| -> Vec<u32> {
        changes.iter().enumerate().filter(|(_, c)| **c).map(|(i, _)| i as u32).collect()
    };
    let (along, down) = (places(&along), places(&down));
    let steps =
        |places: &[u32]| places.windows(2).fold(0, |divisor, pair| gcd(divisor, pair[1] - pair[0]));
    let block = gcd(steps(&along), steps(&down)).max(1);
    let first = |places: &[u32]| places.first().map_or(0, |first| first % block);
    Tiles { block, x0: first(&along), y0: first(&down) }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Whether marks are discs and blots of many pixels rather than single tiles, or walls are stroked everywhere with a
/// brush of several pixels: then one pixel is no tile.
fn is_brushed(picture: &RgbImage, legend: &Legend) -> bool {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let entries = Raster::from_fn(width, height, |x, y| {
        nearest(legend, picture.get_pixel(x as u32, y as u32).0).0 + 1
    });
    let (_, pieces) = components(&entries, true);
    let kind = |piece: &super::raster::Component| {
        let entry = entries.get(piece.seed.0 as i32, piece.seed.1 as i32).unwrap_or(1) - 1;
        legend.get(entry).map_or(EntryKind::Floor, |entry| entry.kind)
    };
    let mut marks = pieces
        .iter()
        .filter(|piece| matches!(kind(piece), EntryKind::Spawn | EntryKind::Goal))
        .peekable();
    if marks.peek().is_some() {
        return marks.all(|mark| mark.area >= BRUSHED_PX);
    }
    // No marks: are there walls or ways of one pixel?
    let thinnest = |kind: EntryKind| {
        let Some(entry) = legend.first(kind) else { return 0.0 };
        let far = distance(&entries.map(|other| other != entry + 1));
        let ridge: Vec<f32> =
            far.data.iter().copied().filter(|d| *d > 0.0 && d.is_finite()).collect();
        quantile(&ridge, 0.95).unwrap_or(0.0)
    };
    width.max(height) > 64 && thinnest(EntryKind::Wall) >= 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(rows: &[&str], block: u32, margin: u32) -> RgbImage {
        let (columns, lines) = (rows[0].len() as u32, rows.len() as u32);
        RgbImage::from_fn(columns * block + margin, lines * block + margin, |x, y| {
            if x < margin || y < margin {
                return image::Rgb([255; 3]);
            }
            let mark =
                rows[((y - margin) / block) as usize].as_bytes()[((x - margin) / block) as usize];
            image::Rgb(match mark {
                b'#' => [0; 3],
                b'~' => [0x20, 0x60, 0xe0],
                b'S' => [0, 0xff, 0],
                b'G' => [0xff, 0, 0],
                b'o' => [0x8b, 0x5a, 0x2b],
                b'1' => [0xb0; 3],
                b'2' => [0x60; 3],
                b'?' => [0xff, 0, 0xff],
                _ => [255; 3],
            })
        })
    }

    fn read_rows(rows: &[&str], block: u32, margin: u32) -> Result<Reading, SketchError> {
        let picture = picture(rows, block, margin);
        let options = SketchOptions::default();
        let tiles = detect(&picture, &options.legend).expect("a grid");
        assert_eq!(tiles.block, block);
        read(&picture, &options, tiles)
    }

    const ROWS: [&str; 6] =
        ["##########", "#S..#....#", "#...#..o.#", "#......~~#", "#...#12.G#", "##########"];

    #[test]
    fn a_pixel_or_a_block_of_them_is_a_tile() {
        for (block, margin) in [(1, 0), (1, 2), (7, 0), (7, 3), (16, 16)] {
            let reading = read_rows(&ROWS, block, margin).unwrap();
            let expected = ROWS.map(|row| row.replace(['1', '2'], "."));
            assert_eq!(reading.plan.rows(), expected, "blocks of {block}");
            assert_eq!((reading.plan.rooms, reading.plan.bodies.len()), (2, 1));
            let origin = reading.plan.origin_m * reading.page.pixels_per_metre;
            assert_eq!(origin, Vec2::splat(margin as f32));
        }
    }

    #[test]
    fn a_ramp_leads_up_to_its_darker_end() {
        let plan = read_rows(&ROWS, 4, 0).unwrap().plan;
        assert_eq!(plan.cell(5, 4).kind, CellKind::Ramp { towards: Compass::East });
        assert_eq!(plan.cell(6, 4).kind, CellKind::Ramp { towards: Compass::East });
    }

    #[test]
    fn a_goal_behind_walls_is_refused_with_its_place() {
        let rows = ["#######", "#S.#..#", "#..#.G#", "#######"];
        let error = read_rows(&rows, 5, 0).expect_err("walled in");
        let SketchError::Refused(refusal) = error else { panic!("{error}") };
        assert_eq!(refusal.reason, RefusalReason::GoalWalledIn);
        assert_eq!(refusal.at_m, Some(Vec2::new(5.5, 2.5)));
    }

    #[test]
    fn unknown_colours_are_named_with_their_place() {
        let rows = ["#####", "#S?G#", "#...#", "#####"];
        let picture = picture(&rows, 3, 0);
        let tiles = Tiles { block: 3, x0: 0, y0: 0 };
        let reading = read(&picture, &SketchOptions::default(), tiles).unwrap();
        let warning = reading.warnings.iter().find(|w| w.kind == WarningKind::UnknownColour);
        assert!(warning.unwrap().to_string().contains("#ff00ff"), "{warning:?}");
        assert_eq!(warning.unwrap().at_m, Some(Vec2::new(2.5, 1.5)));
    }

    #[test]
    fn light_walls_on_dark_are_found() {
        let rows = [
            "############",
            "#....#.....#",
            "#.S..#.....#",
            "#....#...o.#",
            "#..........#",
            "#....#.....#",
            "#....#..G..#",
            "#....#.....#",
            "############",
        ];
        let dark = picture(&rows, 6, 0);
        let dark = RgbImage::from_fn(dark.width(), dark.height(), |x, y| {
            let pixel = *dark.get_pixel(x, y);
            let flipped = pixel.0[0] == pixel.0[1] && (pixel.0[0] == 0 || pixel.0[0] == 255);
            if flipped { image::Rgb(pixel.0.map(|c| 255 - c)) } else { pixel }
        });
        let options = SketchOptions::default();
        let tiles = detect(&dark, &options.legend).unwrap();
        assert_eq!(read(&dark, &options, tiles).unwrap().plan.rows(), rows);
    }
}
