//! The table of a trace.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::record::{Location, Record, Times};
use super::wire::query;

/// Spans of Bevy that are shown of a thread, those that took longest; our own zones are all shown.
const MOST_SPANS: usize = 10;

/// Everything, for a terminal.
pub fn text(record: &Record) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(record, &mut out);
    out
}

fn write(record: &Record, out: &mut String) -> std::fmt::Result {
    let ms = |ticks: i64| ticks as f64 * record.tick_ns / 1e6;
    writeln!(out, "{} items", record.items)?;

    heading(out, "frames")?;
    for (address, times) in &record.frames {
        let name = match address {
            0 => "(primary)".to_owned(),
            _ => record.name(query::FRAME_NAME, *address).unwrap_or_default(),
        };
        row(out, &name, times, &ms)?;
    }

    // Several locations can have one name. Places in the source are ours; Bevy's spans bring their names along.
    let mut threads: BTreeMap<String, BTreeMap<(bool, String), Times>> = BTreeMap::new();
    for ((thread, location), times) in &record.zones {
        let zones = threads.entry(record.thread_name(*thread)).or_default();
        let span = matches!(location, Location::Named(_));
        let sum = zones.entry((span, record.zone_name(location))).or_default();
        sum.count += times.count;
        sum.total += times.total;
        sum.max = sum.max.max(times.max);
    }
    for (thread, zones) in &threads {
        heading(out, &format!("zones of {thread}"))?;
        let mut zones: Vec<_> = zones.iter().collect();
        zones.sort_by_key(|((span, _), times)| (*span, std::cmp::Reverse(times.total)));
        let ours = zones.iter().filter(|((span, _), _)| !span).count();
        for ((_, name), times) in zones.iter().take(ours + MOST_SPANS) {
            row(out, name, times, &ms)?;
        }
        if zones.len() > ours + MOST_SPANS {
            writeln!(out, "… and {} spans more", zones.len() - ours - MOST_SPANS)?;
        }
    }

    if !record.gpu_zones.is_empty() {
        heading(out, "GPU zones")?;
        for (name, times) in &record.gpu_zones {
            row(out, name, times, &|ns| ns as f64 / 1e6)?;
        }
    }

    writeln!(out, "\n{:<44} {:>8} {:>10} {:>10}", "plots", "count", "last", "max")?;
    for (address, plot) in &record.plots {
        let name = record.name(query::PLOT_NAME, *address).unwrap_or_default();
        writeln!(out, "{:<44} {:>8} {:>10.2} {:>10.2}", name, plot.count, plot.last, plot.max)?;
    }

    writeln!(out, "\nmessages")?;
    for (text, count) in &record.messages {
        writeln!(out, "{count:>6}× {}", text.lines().next().unwrap_or_default())?;
    }
    let (count, width, height) = record.images;
    writeln!(out, "\n{count} pictures of frames, the last {width}×{height}")
}

fn heading(out: &mut String, title: &str) -> std::fmt::Result {
    writeln!(out, "\n{title:<44} {:>8} {:>10} {:>10}", "count", "mean ms", "max ms")
}

fn row(out: &mut String, name: &str, times: &Times, ms: &dyn Fn(i64) -> f64) -> std::fmt::Result {
    let mean = ms(times.total) / times.count.max(1) as f64;
    let name: String = name.chars().take(44).collect();
    writeln!(out, "{name:<44} {:>8} {mean:>10.3} {:>10.3}", times.count, ms(times.max))
}
