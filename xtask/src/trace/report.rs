//! The table of a trace.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::record::{Record, Times};
use super::wire::query;

/// Zones of a thread that are shown: those that took longest.
const MOST_ZONES: usize = 12;

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

    writeln!(out, "\n{:<44} {:>8} {:>10} {:>10}", "frames", "count", "mean ms", "max ms")?;
    for (address, times) in &record.frames {
        let name = match address {
            0 => "(primary)".to_owned(),
            _ => record.name(query::FRAME_NAME, *address).unwrap_or_default(),
        };
        row(out, &name, times, &ms)?;
    }

    // One location can be in several records, and several locations can have one name.
    let mut threads: BTreeMap<String, BTreeMap<String, Times>> = BTreeMap::new();
    for ((thread, location), times) in &record.zones {
        let zones = threads.entry(record.thread_name(*thread)).or_default();
        let sum = zones.entry(record.zone_name(location)).or_default();
        sum.count += times.count;
        sum.total += times.total;
        sum.max = sum.max.max(times.max);
    }
    for (thread, zones) in &threads {
        writeln!(
            out,
            "\n{:<44} {:>8} {:>10} {:>10}",
            format!("zones of {thread}"),
            "count",
            "mean ms",
            "max ms"
        )?;
        let mut zones: Vec<_> = zones.iter().collect();
        zones.sort_by_key(|(_, times)| std::cmp::Reverse(times.total));
        for (name, times) in zones.iter().take(MOST_ZONES) {
            row(out, name, times, &ms)?;
        }
        if let Some(more) = zones.len().checked_sub(MOST_ZONES).filter(|more| *more > 0) {
            writeln!(out, "… and {more} more")?;
        }
    }

    if !record.gpu_zones.is_empty() {
        writeln!(out, "\n{:<44} {:>8} {:>10} {:>10}", "GPU zones", "count", "mean ms", "max ms")?;
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

fn row(out: &mut String, name: &str, times: &Times, ms: &dyn Fn(i64) -> f64) -> std::fmt::Result {
    let mean = ms(times.total) / times.count.max(1) as f64;
    let name: String = name.chars().take(44).collect();
    writeln!(out, "{name:<44} {:>8} {mean:>10.3} {:>10.3}", times.count, ms(times.max))
}
