//! Line plots: quality over frames, loss over training.

use std::ops::Range;
use std::path::Path;

use image::RgbImage;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::canvas::{Area, Drawn, FONT, FigureError, INK, SCALE, figure};
use crate::files::write_png;

/// Beyond this the library's search for round ticks takes for ever.
const LARGEST: f64 = 1e12;
const MOST_POINTS: usize = 400;
const LEGEND_ROW: i32 = 24;
const COLOURS: [RGBColor; 12] = [
    RGBColor(20, 92, 158),
    RGBColor(214, 92, 24),
    RGBColor(38, 140, 88),
    RGBColor(176, 50, 116),
    RGBColor(222, 164, 20),
    RGBColor(108, 84, 168),
    RGBColor(86, 160, 200),
    RGBColor(120, 120, 116),
    RGBColor(20, 20, 24),
    RGBColor(150, 190, 60),
    RGBColor(240, 150, 150),
    RGBColor(120, 76, 40),
];

/// One line of a plot. Of more than 400 points, means of neighbours are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// For the legend.
    pub name: String,
    /// x and y, x rising; points that are not finite, or beyond ±1e12, are left out.
    pub points: Vec<(f64, f64)>,
}

/// A plot of several lines with a legend at its right.
#[derive(Debug, Clone, PartialEq)]
pub struct LinePlot {
    /// Above the plot.
    pub title: String,
    /// Below the x axis, with its unit.
    pub x_label: String,
    /// Beside the y axis, with its unit.
    pub y_label: String,
    /// Logarithmic y axis; points below 1e-12 are left out.
    pub log_y: bool,
    /// The lines.
    pub series: Vec<Series>,
}

impl LinePlot {
    /// The plot as a picture, pixels.
    ///
    /// # Errors
    /// The picture is too small for the axes.
    pub fn draw(&self, width: u32, height: u32) -> Result<RgbImage, FigureError> {
        figure(width, height, &self.title, |area| self.draw_all(area))
    }

    /// Draws the plot, 900×540, and writes it as PNG.
    ///
    /// # Errors
    /// The file cannot be written; an older one stays as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FigureError> {
        let path = path.as_ref();
        write_png(path, &self.draw(900, 540)?)
            .map_err(|source| FigureError::Write { path: path.to_owned(), source })
    }

    fn draw_all(&self, area: &Area<'_>) -> Drawn {
        let (width, _) = area.dim_in_pixel();
        let longest = self.series.iter().map(|s| s.name.chars().count()).max().unwrap_or(0);
        let legend_width = (SCALE * (longest as u32 * 8 + 60)).min(width / 3);
        let (left, right) = area.split_horizontally(width - legend_width);
        self.draw_legend(&right)?;
        let x = span(self.drawn_points().map(|p| p.0), 0.0);
        if self.log_y {
            let low_high = span(self.drawn_points().map(|p| p.1.log10()), 0.05);
            let y = 10f64.powf(low_high.start)..10f64.powf(low_high.end);
            self.draw_chart(&left, x, y.log_scale())
        } else {
            let y = span(self.drawn_points().map(|p| p.1), 0.05);
            self.draw_chart(&left, x, y)
        }
    }

    fn draw_chart<Y>(&self, area: &Area<'_>, x: Range<f64>, y: Y) -> Drawn
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let text = |size: u32| (FONT, SCALE * size).into_font().color(&INK);
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, text(22))
            .margin(SCALE * 14)
            .x_label_area_size(SCALE * 46)
            .y_label_area_size(SCALE * 64)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .label_style(text(15))
            .axis_desc_style(text(17))
            .axis_style(INK.mix(0.6).stroke_width(SCALE))
            .bold_line_style(INK.mix(0.14).stroke_width(SCALE))
            .light_line_style(TRANSPARENT)
            .y_label_formatter(&short_number)
            .x_label_formatter(&short_number)
            .draw()?;
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let points = series.points.iter().copied().filter(|p| self.is_drawn(p)).collect();
            let line = colour.stroke_width(2 * SCALE);
            chart.draw_series(LineSeries::new(thinned(points), line))?;
        }
        Ok(())
    }

    fn draw_legend(&self, area: &Area<'_>) -> Drawn {
        let scale = SCALE as i32;
        let text = (FONT, SCALE * 16).into_font().color(&INK);
        for (k, (series, colour)) in self.series.iter().zip(COLOURS.iter().cycle()).enumerate() {
            let y = scale * (52 + k as i32 * LEGEND_ROW);
            let mark = [(0, y + 6 * scale), (22 * scale, y + 10 * scale)];
            area.draw(&Rectangle::new(mark, colour.filled()))?;
            area.draw_text(&series.name, &text, (30 * scale, y))?;
        }
        Ok(())
    }

    fn is_drawn(&self, (x, y): &(f64, f64)) -> bool {
        // NaN is in no range.
        let sane = -LARGEST..=LARGEST;
        let smallest = if self.log_y { LARGEST.recip() } else { -LARGEST };
        sane.contains(x) && (smallest..=LARGEST).contains(y)
    }

    fn drawn_points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.series.iter().flat_map(|s| &s.points).copied().filter(|p| self.is_drawn(p))
    }
}

/// At most [`MOST_POINTS`], by the means of equal shares: more would only blacken the paper.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points;
    }
    let mean = |share: &[(f64, f64)]| {
        let count = share.len() as f64;
        (
            share.iter().map(|p| p.0).sum::<f64>() / count,
            share.iter().map(|p| p.1).sum::<f64>() / count,
        )
    };
    points.chunks(points.len().div_ceil(MOST_POINTS)).map(mean).collect()
}

/// From the least to the largest value, widened by `share` of it at both ends; never empty.
fn span(values: impl Iterator<Item = f64>, share: f64) -> Range<f64> {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return 0.0..1.0;
    }
    if high - low <= 1e-9 * low.abs().max(high.abs()).max(1e-3) {
        let widen = 0.1 * low.abs().max(1.0);
        return low - widen..high + widen;
    }
    let widen = share * (high - low);
    low - widen..high + widen
}

/// At most four digits that matter.
fn short_number(value: &f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if (1e6..).contains(&size) {
        format!("{:.3} M", value / 1e6).replace(".000", "")
    } else if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 0.01 {
        let digits = format!("{value:.3}");
        digits.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.1e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: Vec<(f64, f64)>, log_y: bool) -> LinePlot {
        LinePlot {
            title: "loss".to_owned(),
            x_label: "step".to_owned(),
            y_label: "loss".to_owned(),
            log_y,
            series: vec![Series { name: "train".to_owned(), points }],
        }
    }

    fn line_pixels(picture: &RgbImage) -> Vec<(u32, u32)> {
        // Left of the legend, whose mark has the same colour.
        let chart = picture.enumerate_pixels().filter(|(x, ..)| *x < 480);
        chart.filter(|(.., p)| p.0[0] < 60 && p.0[2] > 140).map(|(x, y, _)| (x, y)).collect()
    }

    #[test]
    fn a_rising_line_rises() {
        let picture = plot(vec![(0.0, 1.0), (10.0, 5.0)], false).draw(600, 400).unwrap();
        let pixels = line_pixels(&picture);
        let (first, last) = (pixels.iter().min().unwrap(), pixels.iter().max().unwrap());
        assert!(first.1 > last.1 + 150, "{first:?} {last:?}");
    }

    #[test]
    fn on_a_log_axis_equal_factors_are_equal_steps() {
        let picture = plot(vec![(0.0, 1.0), (1.0, 0.1), (2.0, 0.01)], true).draw(600, 400).unwrap();
        let pixels = line_pixels(&picture);
        let (left, right) = (pixels.iter().min().unwrap(), pixels.iter().max().unwrap());
        let middle_x = (left.0 + right.0) / 2;
        let middle = pixels.iter().find(|p| p.0 == middle_x).unwrap().1 as i32;
        assert!((middle - (left.1 + right.1) as i32 / 2).abs() <= 3, "{left:?} {middle} {right:?}");
    }

    #[test]
    fn nothing_flat_or_broken_can_stop_a_plot() {
        for points in [
            vec![],
            vec![(0.0, 0.0)],
            vec![(1.0, f64::NAN), (2.0, f64::INFINITY), (3.0, -1.0)],
            vec![(0.0, 1e-300), (1.0, 1e300)],
            vec![(0.0, 1e-12), (1.0, 1e12)],
            vec![(0.0, 1.0), (1e-15, 1.0 + 1e-15)],
            vec![(5.0, 7.0); 9],
        ] {
            for log_y in [false, true] {
                assert!(plot(points.clone(), log_y).draw(400, 300).is_ok(), "{points:?} {log_y}");
            }
        }
    }

    #[test]
    fn many_points_are_drawn_by_their_means() {
        let points: Vec<_> = (0..4000).map(|i| (f64::from(i), f64::from(i % 2))).collect();
        let few = thinned(points.clone());
        assert_eq!(few.len(), 400);
        assert!(few.iter().all(|p| p.1 == 0.5) && few[0].0 == 4.5);
        assert_eq!(thinned(points[..400].to_vec()), points[..400]);
    }

    #[test]
    fn a_plot_is_written_as_png() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("figures/loss.png");
        plot(vec![(0.0, 1.0), (10.0, 0.2)], true).save(&path).unwrap();
        assert_eq!(image::open(&path).unwrap().to_rgb8().dimensions(), (900, 540));
        std::fs::write(dir.path().join("file"), "").unwrap();
        let error = plot(vec![], false).save(dir.path().join("file/loss.png")).unwrap_err();
        assert!(matches!(error, FigureError::Write { .. }), "{error}");
    }

    #[test]
    fn numbers_on_axes_are_short() {
        let cases = [
            (0.0, "0"),
            (28.5, "28.5"),
            (1200.0, "1200"),
            (2e6, "2 M"),
            (0.0004, "4.0e-4"),
            (-3.0, "-3"),
        ];
        for (value, text) in cases {
            assert_eq!(short_number(&value), text);
        }
    }
}
