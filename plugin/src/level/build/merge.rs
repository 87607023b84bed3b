//! Cells to rectangles and connected groups.

use bevy::math::{IVec2, Vec2, Vec3};

use crate::sketch::Plan;

/// A rectangle of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    /// North-western cell.
    pub low: IVec2,
    /// Columns and rows.
    pub size: IVec2,
}

impl Rect {
    /// North-western and south-eastern corner, metres on the plan.
    pub fn corners_m(&self, plan: &Plan) -> (Vec2, Vec2) {
        let low = plan.origin_m + self.low.as_vec2() * plan.cell_m;
        (low, low + self.size.as_vec2() * plan.cell_m)
    }

    /// Middle and size of the box that stands on it from `bottom_m` to `top_m`, world metres.
    pub fn block_m(&self, plan: &Plan, bottom_m: f32, top_m: f32) -> (Vec3, Vec3) {
        let (low, high) = self.corners_m(plan);
        let (middle, size) = (0.5 * (low + high), high - low);
        (
            Vec3::new(middle.x, 0.5 * (bottom_m + top_m), middle.y),
            Vec3::new(size.x, top_m - bottom_m, size.y),
        )
    }

    /// All cells.
    pub fn cells(self) -> impl Iterator<Item = IVec2> {
        (0..self.size.y)
            .flat_map(move |y| (0..self.size.x).map(move |x| self.low + IVec2::new(x, y)))
    }
}

/// A grid of cells by key; `None` is not to be covered. It may reach beyond the plan.
pub struct Keyed<K> {
    low: IVec2,
    size: IVec2,
    keys: Vec<Option<K>>,
}

impl<K: Copy + Eq> Keyed<K> {
    /// Asks `key` for all cells of the plan and `margin` cells around it.
    pub fn new(plan: &Plan, margin: i32, key: impl Fn(IVec2) -> Option<K>) -> Self {
        let low = IVec2::splat(-margin);
        let size = IVec2::new(plan.width as i32, plan.height as i32) + 2 * margin;
        let all = Rect { low, size };
        Self { low, size, keys: all.cells().map(key).collect() }
    }

    fn index(&self, cell: IVec2) -> Option<usize> {
        let at = cell - self.low;
        (at.cmpge(IVec2::ZERO).all() && at.cmplt(self.size).all())
            .then(|| (at.y * self.size.x + at.x) as usize)
    }

    fn get(&self, cell: IVec2) -> Option<K> {
        self.keys.get(self.index(cell)?).copied().flatten()
    }

    fn take(&mut self, cell: IVec2) -> Option<K> {
        let index = self.index(cell)?;
        self.keys.get_mut(index)?.take()
    }

    fn holds(&self, rect: Rect, key: K) -> bool {
        rect.cells().all(|cell| self.get(cell) == Some(key))
    }

    /// Covers all cells by rectangles of one key each that do not overlap: greedy, the larger of the widest-first and
    /// the tallest-first rectangle at the first cell that is left.
    pub fn rectangles(mut self) -> Vec<(Rect, K)> {
        let mut found = Vec::new();
        let all = Rect { low: self.low, size: self.size };
        for cell in all.cells() {
            let Some(key) = self.get(cell) else { continue };
            let wide = self.grow(cell, key, [IVec2::X, IVec2::Y]);
            let tall = self.grow(cell, key, [IVec2::Y, IVec2::X]);
            let area = |rect: &Rect| rect.size.x * rect.size.y;
            let rect = if area(&wide) >= area(&tall) { wide } else { tall };
            for cell in rect.cells() {
                self.take(cell);
            }
            found.push((rect, key));
        }
        found
    }

    fn grow(&self, low: IVec2, key: K, order: [IVec2; 2]) -> Rect {
        let mut rect = Rect { low, size: IVec2::ONE };
        for axis in order {
            let across = IVec2::ONE - axis;
            loop {
                let edge = Rect { low: low + axis * rect.size, size: axis + across * rect.size };
                if !self.holds(edge, key) {
                    break;
                }
                rect.size += axis;
            }
        }
        rect
    }

    /// Groups of cells of one key that touch by their edges.
    pub fn groups(mut self) -> Vec<(Vec<IVec2>, K)> {
        let mut found = Vec::new();
        let all = Rect { low: self.low, size: self.size };
        for cell in all.cells() {
            let Some(key) = self.take(cell) else { continue };
            let mut group = vec![cell];
            let mut next = 0;
            while let Some(cell) = group.get(next).copied() {
                next += 1;
                for by in [IVec2::X, IVec2::NEG_X, IVec2::Y, IVec2::NEG_Y] {
                    if self.get(cell + by) == Some(key) {
                        self.take(cell + by);
                        group.push(cell + by);
                    }
                }
            }
            found.push((group, key));
        }
        found
    }
}

/// The rectangle around cells.
pub fn around(cells: &[IVec2]) -> Rect {
    let low = cells.iter().copied().reduce(IVec2::min).unwrap_or_default();
    let high = cells.iter().copied().reduce(IVec2::max).unwrap_or_default();
    Rect { low, size: high - low + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(rows: &[&str]) -> Keyed<u8> {
        let plan =
            Plan { cell_m: 1.0, width: rows[0].len(), height: rows.len(), ..Plan::default() };
        Keyed::new(&plan, 0, |cell| {
            let mark = rows[cell.y as usize].as_bytes()[cell.x as usize];
            (mark != b'.').then_some(mark)
        })
    }

    #[test]
    fn rectangles_are_few_and_cover_every_cell_once() {
        for (rows, count) in [
            (&["#####", "#...#", "#####"][..], 4),
            (&["#####", "#####", "#####"], 1),
            (&["..#..", "..#..", "#####", "..#.."], 3),
            (&["##oo", "##oo"], 2),
            (&["...."], 0),
        ] {
            let found = keyed(rows).rectangles();
            assert_eq!(found.len(), count, "{rows:?}: {found:?}");
            for (y, row) in rows.iter().enumerate() {
                for (x, mark) in row.bytes().enumerate() {
                    let cell = IVec2::new(x as i32, y as i32);
                    let over: Vec<u8> = found
                        .iter()
                        .filter(|(rect, _)| rect.cells().any(|c| c == cell))
                        .map(|(_, key)| *key)
                        .collect();
                    let expected = if mark == b'.' { vec![] } else { vec![mark] };
                    assert_eq!(over, expected, "{cell} of {rows:?}");
                }
            }
        }
    }

    #[test]
    fn groups_touch_by_edges() {
        let groups = keyed(&["##.#", "...#", "#..."]).groups();
        let mut sizes: Vec<usize> = groups.iter().map(|(cells, _)| cells.len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 2, 2]);
        assert_eq!(around(&groups[1].0).size, IVec2::new(1, 2));
    }
}
