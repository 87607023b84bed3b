//! The conversation with a program: handshake, compressed blocks, questions.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use lz4_flex::block::decompress_into_with_dict;

use super::TraceError;
use super::record::{Query, Record};
use super::wire::{PROTOCOL, query};

/// Largest block before compression.
const BLOCK: usize = 256 * 1024;
/// How far back a block may refer.
const WINDOW: usize = 64 * 1024;
/// The welcome, without what follows it on demand.
const WELCOME: usize = 1170;
const ON_DEMAND: u8 = 1;
/// How long names are waited for at the end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A connection that has been welcomed.
pub struct Session {
    stream: TcpStream,
    program: String,
    record: Record,
    /// The last bytes that came, unpacked: blocks refer to them.
    window: Vec<u8>,
    /// Bytes that came and are no whole block yet.
    pending: Vec<u8>,
}

impl Session {
    /// Shakes hands.
    pub fn start(mut stream: TcpStream) -> Result<Self, TraceError> {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"TracyPrf")?;
        stream.write_all(&PROTOCOL.to_le_bytes())?;
        let mut status = [0];
        stream.read_exact(&mut status)?;
        match status[0] {
            1 => {}
            2 => {
                return Err(TraceError::Refused("it speaks another protocol than 82 (Tracy 0.14)"));
            }
            _ => return Err(TraceError::Refused("another profiler is or was connected")),
        }
        let mut welcome = [0; WELCOME];
        stream.read_exact(&mut welcome)?;
        let tick_ns = f64::from_le_bytes(std::array::from_fn(|i| welcome[i]));
        if welcome[64] & ON_DEMAND != 0 {
            stream.read_exact(&mut [0; 16])?;
        }
        let name = welcome[82..146].split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Self {
            stream,
            program: String::from_utf8_lossy(name).into_owned(),
            record: Record::new(tick_ns),
            window: Vec::new(),
            pending: Vec::new(),
        })
    }

    /// Name of the program.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Listens, asks for names, and says good-bye.
    pub fn listen(mut self, time: Duration) -> Result<Record, TraceError> {
        self.stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        let begun = Instant::now();
        let over = |record: &Record| {
            begun.elapsed() >= time
                && (!record.is_waiting() || begun.elapsed() >= time + LAST_WORDS)
        };
        while !over(&self.record) && !self.record.ended {
            if !self.receive()? {
                break;
            }
            for query in self.record.take_queries() {
                self.send(query)?;
            }
        }
        // The program may be gone already.
        self.send((query::TERMINATE, 0)).ok();
        Ok(self.record)
    }

    fn send(&mut self, (kind, address): Query) -> Result<(), TraceError> {
        let mut packet = [0; 13];
        packet[0] = kind;
        packet[1..9].copy_from_slice(&address.to_le_bytes());
        Ok(self.stream.write_all(&packet)?)
    }

    /// Reads what there is, and unpacks whole blocks; false once the program has closed the connection.
    fn receive(&mut self) -> Result<bool, TraceError> {
        let mut bytes = [0; 64 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => return Ok(false),
            Ok(count) => self.pending.extend_from_slice(&bytes[..count]),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let mut from = 0;
        while let Some(size) = self.pending.get(from..from + 4) {
            let size = u32::from_le_bytes([size[0], size[1], size[2], size[3]]) as usize;
            if size > BLOCK + BLOCK / 255 + 16 {
                return Err(TraceError::Malformed(format!("a block of {size} bytes")));
            }
            let Some(block) = self.pending.get(from + 4..from + 4 + size) else { break };
            let mut plain = vec![0; BLOCK];
            let count = decompress_into_with_dict(block, &mut plain, &self.window)
                .map_err(|error| TraceError::Malformed(error.to_string()))?;
            plain.truncate(count);
            self.record.block(&plain)?;
            self.window.extend_from_slice(&plain);
            let surplus = self.window.len().saturating_sub(WINDOW);
            self.window.drain(..surplus);
            from += 4 + size;
        }
        self.pending.drain(..from);
        Ok(true)
    }
}
