//! A program that sends a known stream, and hostile ones.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use super::report;
use super::session::Session;
use super::wire::{kind, query};
use super::*;

const THREAD: u32 = 77;
/// Addresses of what the program names when it is asked.
const PLACE: u64 = 0x1000;
const ZONE: u64 = 0x2000;
const PLOT: u64 = 0x3000;
const FRAME: u64 = 0x4000;

#[derive(Default)]
struct Stream(Vec<u8>);

impl Stream {
    fn item(mut self, kind: u8, fields: &[&[u8]]) -> Self {
        self.0.push(kind);
        fields.iter().for_each(|field| self.0.extend_from_slice(field));
        self
    }

    /// A zone of the place, `ticks` long.
    fn zone(self, ticks: u16) -> Self {
        self.item(kind::ZONE_BEGIN_16, &[&5_u16.to_le_bytes(), &PLACE.to_le_bytes()])
            .item(kind::ZONE_END_16, &[&ticks.to_le_bytes()])
    }
}

fn recorded() -> Vec<u8> {
    let location = [&[0; 8][..], b"run\0file.rs\0[WAIT] request"].concat();
    Stream::default()
        .item(kind::THREAD_CONTEXT, &[&THREAD.to_le_bytes()])
        .item(
            kind::SOURCE_LOCATION_PAYLOAD,
            &[&[0; 8], &(location.len() as u16).to_le_bytes(), &location],
        )
        .item(kind::ZONE_BEGIN_ALLOC, &[&1000_i64.to_le_bytes()])
        .zone(30_000)
        .zone(10_000)
        .item(
            kind::PLOT_DOUBLE,
            &[&PLOT.to_le_bytes(), &1_i64.to_le_bytes(), &37.5_f64.to_le_bytes()],
        )
        // A difference that needs the middle form.
        .item(kind::ZONE_END_32, &[&(1_000_000_u32 - 65_536).to_le_bytes()])
        .item(kind::FRAME_START, &[&100_i64.to_le_bytes(), &FRAME.to_le_bytes()])
        .item(kind::FRAME_END, &[&2_000_100_i64.to_le_bytes(), &FRAME.to_le_bytes()])
        .item(kind::FRAME_MARK, &[&100_i64.to_le_bytes(), &0_u64.to_le_bytes()])
        .item(kind::FRAME_MARK, &[&500_100_i64.to_le_bytes(), &0_u64.to_le_bytes()])
        .item(kind::SINGLE_STRING_8, &[&[6], b"reject"])
        .item(kind::MESSAGE, &[&[0; 9]])
        .item(kind::FRAME_IMAGE, &[&[0; 4], &128_u16.to_le_bytes(), &72_u16.to_le_bytes(), &[0]])
        .0
}

fn named(kind: u8, address: u64, name: &str) -> Vec<u8> {
    Stream::default()
        .item(kind, &[&address.to_le_bytes(), &(name.len() as u16).to_le_bytes(), name.as_bytes()])
        .0
}

fn block(plain: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(plain);
    [&(packed.len() as u32).to_le_bytes()[..], &packed].concat()
}

/// Welcomes a profiler, sends `blocks`, answers questions until it is told to stop.
fn program(blocks: Vec<Vec<u8>>) -> (TcpStream, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut profiler, _) = listener.accept().unwrap();
        let mut hello = [0; 12];
        profiler.read_exact(&mut hello).unwrap();
        assert_eq!(hello, *b"TracyPrf\x52\0\0\0");
        let mut welcome = vec![0; 1 + 1170 + 16];
        welcome[0] = 1;
        welcome[1..9].copy_from_slice(&2.0_f64.to_le_bytes());
        welcome[1 + 64] = 1;
        welcome[1 + 82..1 + 86].copy_from_slice(b"game");
        profiler.write_all(&welcome).unwrap();
        for plain in &blocks {
            profiler.write_all(&block(plain)).unwrap();
        }
        let mut packet = [0; 13];
        while profiler.read_exact(&mut packet).is_ok() && packet[0] != query::TERMINATE {
            let address = u64::from_le_bytes(std::array::from_fn(|i| packet[1 + i]));
            let answer = match (packet[0], address) {
                (query::THREAD_NAME, thread) => named(kind::THREAD_NAME, thread, "dream"),
                (query::PLOT_NAME, PLOT) => named(kind::PLOT_NAME, PLOT, "source age ms"),
                (query::FRAME_NAME, FRAME) => named(kind::FRAME_NAME, FRAME, "neural frame"),
                (query::STRING, ZONE) => named(kind::STRING, ZONE, "denoise"),
                (query::SOURCE_LOCATION, PLACE) => {
                    Stream::default()
                        .item(kind::SOURCE_LOCATION, &[&ZONE.to_le_bytes(), &[0; 23]])
                        .0
                }
                other => panic!("a question nobody should ask: {other:?}"),
            };
            profiler.write_all(&block(&answer)).unwrap();
        }
    });
    (TcpStream::connect(address).unwrap(), thread)
}

fn listened(blocks: Vec<Vec<u8>>) -> Result<record::Record, TraceError> {
    let (stream, thread) = program(blocks);
    let session = Session::start(stream)?;
    assert_eq!(session.program(), "game");
    let record = session.listen(Duration::from_millis(300));
    thread.join().ok();
    record
}

#[test]
fn a_stream_becomes_a_table() {
    let stream = recorded();
    let record = listened(vec![stream]).unwrap();
    let text = report::text(&record);
    let row = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
        line[44..].split_whitespace().map(|word| word.parse().unwrap()).collect::<Vec<f64>>()
    };
    // Two nanoseconds a tick.
    assert_eq!(row("denoise"), [2.0, 0.04, 0.06]);
    assert_eq!(row("[WAIT] request"), [1.0, 2.08, 2.08]);
    assert_eq!(row("neural frame"), [1.0, 4.0, 4.0]);
    assert_eq!(row("(primary)"), [1.0, 1.0, 1.0]);
    assert_eq!(row("source age ms"), [1.0, 37.5, 37.5]);
    assert!(text.contains("zones of dream"), "{text}");
    assert!(
        text.contains("1× reject") && text.contains("1 pictures of frames, the last 128×72"),
        "{text}"
    );
}

#[test]
fn a_stream_that_is_none_is_refused() {
    for hostile in [vec![250], vec![kind::ZONE_BEGIN, 1, 2], vec![kind::SINGLE_STRING, 255, 255, 0]]
    {
        let fault = listened(vec![hostile.clone()]).err();
        assert!(matches!(fault, Some(TraceError::Malformed(_))), "{hostile:?}: {fault:?}");
    }
}

#[test]
fn options_are_read_and_nonsense_is_named() {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(options(&[]).unwrap(), (DEFAULT_PORT, DEFAULT_SECONDS));
    assert_eq!(options(&words("--seconds 3 --port 9000")).unwrap(), (9000, 3));
    for wrong in ["--port", "--port x", "--loud 3"] {
        assert!(options(&words(wrong)).unwrap_err().to_string().contains(wrong));
    }
}

/// A second client would open a second socket and see half of the program.
#[test]
fn one_tracy_client_is_linked() {
    let lock = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    for name in ["tracy-client", "tracy-client-sys"] {
        let line = format!("name = \"{name}\"");
        assert_eq!(lock.lines().filter(|have| *have == line).count(), 1, "{name}");
    }
}
