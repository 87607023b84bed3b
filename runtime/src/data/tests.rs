//! Episodes go out and come back the same, and broken ones are refused in words.

use std::fs;
use std::path::{Path, PathBuf};

use glam::{Quat, Vec3};
use reverie_guard::{Body, BodyKind, CameraPose, Fault, FaultClass, Pose, ShadowSnapshot, Shape};

use super::*;
use crate::request::Action;
use crate::style::StyleWeights;

const WIDTH: u32 = 16;
const HEIGHT: u32 = 8;
const FRAMES: usize = 6;

fn header() -> EpisodeHeader {
    EpisodeHeader {
        width: WIDTH,
        height: HEIGHT,
        frame_dt_s: 0.1,
        seed: u64::MAX,
        layout_seed: 3,
        generator: "test 0.1".to_owned(),
    }
}

fn body(id: u64, i: usize) -> Body {
    Body {
        id,
        shape: Shape::Cuboid { half_extents_m: Vec3::new(0.5, 0.25 * id as f32, 0.5) },
        world_from_body: Pose::new(
            Quat::from_rotation_y(0.1 * i as f32),
            Vec3::new(i as f32, id as f32, 0.0),
        ),
        linear_velocity_m_s: Vec3::new(10.0, 0.0, 0.5),
        angular_velocity_rad_s: Vec3::new(0.0, 1.0, 0.0),
        kind: BodyKind::Dynamic,
        material: 8,
        tint_srgb: id.is_multiple_of(2).then_some([0.25, 0.5, 0.125]),
    }
}

/// Body 1 is always there, body 2 comes in frame 2 and leaves in frame 4, body 3 turns fixed in frame 3.
fn snapshot(i: usize) -> ShadowSnapshot {
    let mut bodies = vec![body(1, i)];
    if (2..4).contains(&i) {
        bodies.push(body(2, i));
    }
    let kind = if i < 3 { BodyKind::Dynamic } else { BodyKind::Fixed };
    bodies.push(Body { kind, ..body(3, i) });
    ShadowSnapshot {
        tick: 6 * i as u64,
        time_s: 0.1 * i as f64,
        camera: CameraPose {
            world_from_camera: Pose::new(Quat::from_rotation_x(0.2), Vec3::new(0.0, 1.6, i as f32)),
            vertical_fov_rad: 1.0,
        },
        bodies,
        sun_direction: Vec3::new(0.6, 0.8, 0.0),
    }
}

fn action(i: usize) -> Action {
    [0.5, 1.0, 0.01 * i as f32, 0.0, 0.0, 1.0, 0.0, 0.0]
}

fn rgb(i: usize) -> Vec<u8> {
    (0..WIDTH * HEIGHT * 3).map(|k| (k * 7 + (k * k) % 11 + 40 * i as u32) as u8).collect()
}

fn write(dir: &Path) -> PathBuf {
    let mut writer = EpisodeWriter::create(dir, header()).unwrap();
    for i in 0..FRAMES {
        writer.push(&snapshot(i), &action(i), &StyleWeights::NOON, &rgb(i)).unwrap();
    }
    writer.finish(0xfeed).unwrap()
}

fn by_id(mut snapshot: ShadowSnapshot) -> ShadowSnapshot {
    snapshot.bodies.sort_by_key(|b| b.id);
    snapshot
}

#[test]
fn what_is_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir.path().join("a"));
    let episode = Episode::open(&path).unwrap();
    assert_eq!((episode.len(), episode.header()), (FRAMES, &header()));
    assert_eq!(episode.manifest().physics_hash, 0xfeed);
    for i in 0..FRAMES {
        assert_eq!(by_id(episode.snapshot(i)), by_id(snapshot(i)), "frame {i}");
        assert_eq!(episode.action(i), action(i));
        assert_eq!(episode.style(i), StyleWeights::NOON);
        assert_eq!(episode.frame_rgb(i).unwrap(), rgb(i));
    }
    assert!(matches!(episode.frame_rgb(FRAMES), Err(DataError::Frame { .. })));
}

#[test]
fn a_body_that_changes_its_kind_keeps_its_id_in_a_new_row() {
    let dir = tempfile::tempdir().unwrap();
    let episode = Episode::open(write(&dir.path().join("a"))).unwrap();
    let ids: Vec<u64> = episode.manifest().bodies.iter().map(|b| b.id).collect();
    assert_eq!(ids, [1, 3, 2, 3]);
}

#[test]
fn an_episode_without_bodies_is_fine() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = EpisodeWriter::create(dir.path().join("sky"), header()).unwrap();
    let empty = ShadowSnapshot { bodies: vec![], ..snapshot(0) };
    writer.push(&empty, &action(0), &StyleWeights::NOON, &rgb(0)).unwrap();
    let episode = Episode::open(writer.finish(0).unwrap()).unwrap();
    assert_eq!(episode.snapshot(0), empty);
}

#[test]
fn only_complete_episodes_are_listed_and_a_dead_run_is_cleared_away() {
    let dir = tempfile::tempdir().unwrap();
    let partial = dir.path().join("b.partial");
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("episode.ron"), "left by a killed run").unwrap();
    let (second, first) = (write(&dir.path().join("b")), write(&dir.path().join("a")));
    assert!(!partial.exists());
    let mut unfinished = EpisodeWriter::create(dir.path().join("c"), header()).unwrap();
    unfinished.push(&snapshot(0), &action(0), &StyleWeights::NOON, &rgb(0)).unwrap();
    assert!(matches!(
        Episode::open(dir.path().join("c.partial")),
        Err(DataError::Incomplete { .. })
    ));
    assert_eq!(list_episodes(dir.path()).unwrap(), [first, second]);
    drop(unfinished);
    assert!(!dir.path().join("c.partial").exists());
}

#[test]
fn an_episode_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir.path().join("a"));
    assert!(matches!(EpisodeWriter::create(&path, header()), Err(DataError::AlreadyThere { .. })));
    assert_eq!(Episode::open(&path).unwrap().len(), FRAMES);
}

#[test]
fn a_frame_that_makes_no_sense_is_refused_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = EpisodeWriter::create(dir.path().join("a"), header()).unwrap();
    let noon = StyleWeights::NOON;
    assert!(writer.push(&snapshot(0), &action(0), &noon, &rgb(0)[1..]).is_err());
    assert!(writer.push(&snapshot(0), &[f32::NAN; 8], &noon, &rgb(0)).is_err());
    let mut lost = snapshot(0);
    lost.camera.world_from_camera.translation_m.x = f32::INFINITY;
    assert!(writer.push(&lost, &action(0), &noon, &rgb(0)).is_err());
    let twins = ShadowSnapshot { bodies: vec![body(1, 0), body(1, 0)], ..snapshot(0) };
    assert!(writer.push(&twins, &action(0), &noon, &rgb(0)).is_err());
    writer.push(&snapshot(0), &action(0), &noon, &rgb(0)).unwrap();
    assert_eq!(Episode::open(writer.finish(0).unwrap()).unwrap().len(), 1);
}

#[test]
fn a_body_at_nan_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = EpisodeWriter::create(dir.path().join("a"), header()).unwrap();
    let mut broken = snapshot(0);
    broken.bodies[0].world_from_body.translation_m.y = f32::NAN;
    writer.push(&broken, &action(0), &StyleWeights::NOON, &rgb(0)).unwrap();
    let episode = Episode::open(writer.finish(0).unwrap()).unwrap();
    assert_eq!(episode.snapshot(0).bodies, snapshot(0).bodies[1..]);
}

#[test]
fn an_episode_without_frames_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let writer = EpisodeWriter::create(dir.path().join("a"), header()).unwrap();
    assert!(writer.finish(0).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// Opens the episode and decodes all of it.
fn read_all(dir: &Path) -> Result<(), DataError> {
    let episode = Episode::open(dir)?;
    (0..episode.len()).try_for_each(|i| episode.frame_rgb(i).map(|_| ()))
}

#[test]
fn a_file_cut_off_anywhere_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir.path().join("a"));
    for file in ["episode.ron", "tracks.safetensors", "frames.qoi.bin"] {
        let whole = fs::read(path.join(file)).unwrap();
        for length in (0..whole.len() - 3).step_by(whole.len() / 97 + 1) {
            fs::write(path.join(file), &whole[..length]).unwrap();
            let error = read_all(&path).unwrap_err().to_string();
            assert!(error.contains(file) && !error.contains('\n'), "{file} at {length}: {error}");
        }
        fs::remove_file(path.join(file)).unwrap();
        assert!(read_all(&path).unwrap_err().to_string().contains(file));
        fs::write(path.join(file), &whole).unwrap();
    }
    read_all(&path).unwrap();
}

#[test]
fn flipped_bytes_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir.path().join("a"));
    for file in ["episode.ron", "tracks.safetensors", "frames.qoi.bin"] {
        let whole = fs::read(path.join(file)).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 211 + 1) {
            for flip in [0x01, 0x80, 0xff] {
                let mut broken = whole.clone();
                broken[at] ^= flip;
                fs::write(path.join(file), &broken).unwrap();
                let _ = read_all(&path);
            }
        }
        fs::write(path.join(file), &whole).unwrap();
    }
}

fn edit_manifest(path: &Path, from: &str, to: &str) -> DataError {
    let file = path.join("episode.ron");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&file, text.replacen(from, to, 1)).unwrap();
    let error = Episode::open(path).unwrap_err();
    fs::write(&file, text).unwrap();
    error
}

#[test]
fn a_manifest_that_lies_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir.path().join("a"));
    let newer = edit_manifest(&path, "version: 1", "surprise: [1], version: 2");
    assert!(matches!(newer, DataError::Version { found: 2, expected: 1, .. }), "{newer}");
    assert!(matches!(
        edit_manifest(&path, "complete: true", "complete: false"),
        DataError::Incomplete { .. }
    ));
    for (from, to, word) in [
        ("frames: 6", "frames: 7", "shape"),
        ("frames: 6", "frames: 0", "frames"),
        ("frames: 6", "frames: 18446744073709551615", "frames"),
        ("width: 16", "width: 0", "0×8"),
        ("\"grass\"", "\"gras\"", "material_names"),
        ("seed:", "sead:", "sead"),
    ] {
        let error = edit_manifest(&path, from, to).to_string();
        assert!(error.contains(word) || error.contains("expected"), "{to}: {error}");
    }
    assert!(matches!(
        edit_manifest(&path, "material: 8", "material: 99"),
        DataError::Malformed { .. }
    ));
}

#[test]
fn a_picture_of_another_size_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir.path().join("a"));
    let file = path.join("episode.ron");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("width: 16", "width: 17")).unwrap();
    let error = read_all(&path).unwrap_err();
    assert!(error.to_string().contains("16×8"), "{error}");
}

#[test]
fn sheets_show_the_frames_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir.path().join("a"));
    let episode = Episode::open(&path).unwrap();
    let sheet = sheet::episode_sheet(&episode, 4, 2).unwrap();
    assert_eq!(sheet.dimensions(), (2 * WIDTH + 2, 2 * HEIGHT + 2));
    assert_eq!(sheet.get_pixel(0, 0).0, rgb(0)[..3]);
    assert_eq!(sheet.get_pixel(WIDTH + 2, HEIGHT + 2).0, rgb(FRAMES - 1)[..3]);
    let rows = sheet::episodes_sheet(&[path.clone(), path], 3).unwrap();
    assert_eq!(rows.dimensions(), (3 * WIDTH + 4, 2 * HEIGHT + 2));
}

#[test]
fn a_fault_comes_back_and_the_states_stay_true() {
    let dir = tempfile::tempdir().unwrap();
    let fault = Fault {
        class: FaultClass::Lift,
        body: 1,
        strength: 0.5,
        start_tick: snapshot(3).tick,
        start_time_s: snapshot(3).time_s,
        offset: Vec3::new(0.0, 0.5, 0.0),
        farthest_m: f32::MAX,
        start_pose: Pose::IDENTITY,
        material: 8,
        seed: 1,
    };
    let write = |name: &str, fault: Fault| {
        let mut writer = EpisodeWriter::create(dir.path().join(name), header()).unwrap();
        for i in 0..FRAMES {
            writer.push(&snapshot(i), &action(i), &StyleWeights::NOON, &rgb(i)).unwrap();
        }
        writer.set_fault(fault);
        writer.finish(1).unwrap()
    };
    let episode = Episode::open(write("lift", fault.clone())).unwrap();
    assert_eq!(episode.fault(), Some(&fault));
    assert_eq!(by_id(episode.snapshot(4)), by_id(snapshot(4)));
    assert_eq!(by_id(episode.drawn(2)), by_id(snapshot(2)));
    assert_eq!(by_id(episode.drawn(4)), by_id(fault.drawn(&snapshot(4))));
    assert_ne!(episode.drawn(4), episode.snapshot(4));

    let evil = write("evil", Fault { offset: Vec3::splat(f32::NAN), ..fault });
    let error = Episode::open(&evil).unwrap_err().to_string();
    assert!(error.contains("fault.ron") && error.contains("frame 3"), "{error}");
    fs::write(evil.join("fault.ron"), "(class: magic)").unwrap();
    let error = Episode::open(&evil).unwrap_err().to_string();
    assert!(error.contains("fault.ron") && !error.contains('\n'), "{error}");
}
