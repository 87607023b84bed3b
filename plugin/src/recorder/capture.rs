//! Which frames are recorded, and the way of their pictures back from the GPU.

use std::time::{SystemTime, UNIX_EPOCH};

use bevy::prelude::*;
use bevy::render::gpu_readback::{Readback, ReadbackComplete};
use bevy::render::render_resource::TextureFormat;
use bevy::render::renderer::RenderDevice;

use super::camera::{Eye, RecordCamera};
use super::episode::{Captured, EpisodeDone, EpisodeStart, Recorder};
use super::headless::PipelinesWaiting;
use super::{RecorderPlugin, RecorderStart};
use crate::action::{ActionTally, PlayerAction};
use crate::shadow::ShadowReader;

/// A picture that has not come back after so many app frames is lost.
const LOST_AFTER_FRAMES: u64 = 600;
/// Pictures in a row that must come back drawn, with no shader waiting, before recording may begin.
const READY_AFTER_PICTURES: u32 = 4;

/// When the next frame is due.
#[derive(Resource, Default)]
pub(super) struct CaptureClock {
    /// Since the last captured frame.
    tally: ActionTally,
    /// This app frame is to be recorded, or probed while nothing is recorded yet.
    pub due: bool,
    app_frame: u64,
    /// Drawn pictures in a row.
    drawn: u32,
}

/// What a readback was ordered for.
#[derive(Component, Clone, Copy)]
pub(super) enum Ticket {
    /// Only to see whether the renderer draws yet.
    Probe,
    /// Serial number of the episode, index of the frame.
    Frame(u64, u32),
}

/// Notes each tick's intent, after the game's logic has used it.
pub(super) fn tally_action(action: Res<PlayerAction>, mut clock: ResMut<CaptureClock>) {
    clock.tally.add(&action);
}

/// A readback is ordered for exactly one rendered frame.
pub(super) fn stop_readbacks(
    mut commands: Commands,
    ordered: Query<Entity, (With<Ticket>, With<Readback>)>,
) {
    for entity in &ordered {
        commands.entity(entity).remove::<Readback>();
    }
}

pub(super) fn decide(
    config: Res<RecorderPlugin>,
    recorder: Res<Recorder>,
    mut clock: ResMut<CaptureClock>,
) {
    let enough_ticks = clock.tally.ticks() >= config.ticks_per_frame.max(1);
    let first = recorder.is_recording() && recorder.frames() == 0;
    clock.due = if recorder.is_recording() { enough_ticks || first } else { !recorder.is_ready() };
    if !recorder.is_recording() {
        clock.tally.clear();
    }
}

/// Keeps the state of a due frame and orders its picture.
pub(super) fn capture(
    mut commands: Commands,
    eyes: Query<&Eye>,
    marked: Query<&RecordCamera>,
    mut recorder: ResMut<Recorder>,
    mut clock: ResMut<CaptureClock>,
    mut shadow: ShadowReader,
) {
    let Some(eye) = eyes.iter().next().filter(|_| clock.due) else { return };
    let Ok(camera) = marked.get(eye.marked) else { return };
    let ticket = if recorder.is_recording() {
        let snapshot = match shadow.snapshot(eye.marked) {
            Ok(snapshot) => snapshot,
            Err(error) => return error_once!("nothing is recorded: {error}"),
        };
        let (action, style) = (clock.tally.action(), camera.style.normalized());
        let at_frame = clock.app_frame;
        let Some((serial, frame)) =
            recorder.capture(Captured { snapshot, action, style, rgb: None, at_frame })
        else {
            return;
        };
        clock.tally.clear();
        Ticket::Frame(serial, frame)
    } else {
        Ticket::Probe
    };
    commands.spawn((Readback::texture(eye.image.clone()), ticket));
}

/// Takes a picture that came back.
pub(super) fn receive_picture(
    event: On<ReadbackComplete>,
    mut commands: Commands,
    tickets: Query<&Ticket>,
    config: Res<RecorderPlugin>,
    waiting: Res<PipelinesWaiting>,
    mut recorder: ResMut<Recorder>,
    mut clock: ResMut<CaptureClock>,
) {
    let Ok(ticket) = tickets.get(event.entity) else { return };
    let rgb = unpadded_rgb(&event.data, config.size.max(UVec2::ONE));
    match *ticket {
        Ticket::Probe => {
            clock.drawn = if rgb.is_some() && !waiting.any() { clock.drawn + 1 } else { 0 };
            recorder.ready |= clock.drawn >= READY_AFTER_PICTURES;
        }
        Ticket::Frame(serial, frame) => recorder.receive(serial, frame, rgb),
    }
    commands.entity(event.entity).try_despawn();
}

/// Rows of a readback are padded; a picture into which nothing was drawn has no opaque pixel.
fn unpadded_rgb(data: &[u8], size: UVec2) -> Option<Vec<u8>> {
    let (width, height) = (size.x as usize, size.y as usize);
    let bytes = TextureFormat::Rgba8UnormSrgb.block_copy_size(None).unwrap_or(4) as usize;
    let row_bytes = RenderDevice::align_copy_bytes_per_row(width * bytes);
    let mut rgb = Vec::with_capacity(width * height * 3);
    let mut drawn = false;
    for y in 0..height {
        let row = data.get(y * row_bytes..y * row_bytes + width * bytes)?;
        for pixel in row.chunks_exact(bytes) {
            drawn |= pixel[3] != 0;
            rgb.extend_from_slice(&pixel[..3]);
        }
    }
    drawn.then_some(rgb)
}

/// Begins and ends episodes by itself where the game does not, and reports those that are done.
pub(super) fn advance(
    mut commands: Commands,
    config: Res<RecorderPlugin>,
    time: Res<Time<Fixed>>,
    tickets: Query<(Entity, &Ticket)>,
    mut recorder: ResMut<Recorder>,
    mut clock: ResMut<CaptureClock>,
    mut done: MessageWriter<EpisodeDone>,
    mut serial: Local<u64>,
    mut given_up: Local<bool>,
) {
    clock.app_frame += 1;
    recorder.frame_dt_s = config.ticks_per_frame.max(1) as f32 * time.timestep().as_secs_f32();
    recorder.drop_lost(clock.app_frame, LOST_AFTER_FRAMES);
    // A probe ordered before its picture existed never comes back.
    if recorder.ready && clock.app_frame.is_multiple_of(LOST_AFTER_FRAMES) {
        for (entity, _) in tickets.iter().filter(|(_, ticket)| matches!(ticket, Ticket::Probe)) {
            commands.entity(entity).try_despawn();
        }
    }
    if config.start == RecorderStart::AtOnce && recorder.ready && !*given_up {
        if recorder.frames() >= config.frames.max(1) {
            recorder.end(None);
        }
        if !recorder.is_recording() {
            *serial += 1;
            let seconds =
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            let start = EpisodeStart {
                name: format!("{seconds}_{:05}", *serial),
                seed: *serial,
                layout_seed: 0,
                generator: format!("bevy_reverie {}", env!("CARGO_PKG_VERSION")),
            };
            if let Err(error) = recorder.begin(start) {
                error!("nothing is recorded: {error}");
                *given_up = true;
            }
        }
    }
    done.write_batch(recorder.done.drain(..));
}

/// Completes what can be completed when the game closes.
pub(super) fn close_at_exit(
    exit: MessageReader<AppExit>,
    mut recorder: ResMut<Recorder>,
    mut done: MessageWriter<EpisodeDone>,
) {
    if !exit.is_empty() {
        recorder.close_all();
        done.write_batch(recorder.done.drain(..));
    }
}
