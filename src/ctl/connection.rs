//! The connection to an unbraid.

use super::Failure;
use crate::protocol::{Answer, Request};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// An unbraid answers at once; one that takes this long is stopped or hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came.
#[derive(Debug)]
pub(super) enum Line {
    Answer(Answer),
    /// Something else, a record: it is in the buffer.
    Record,
    /// The other side has closed.
    End,
}

#[derive(Debug)]
pub(super) struct Connection {
    reader: BufReader<UnixStream>,
    path: PathBuf,
    line: Vec<u8>,
}

impl Connection {
    pub(super) fn open(path: PathBuf) -> Result<Self, Failure> {
        let stream = UnixStream::connect(&path).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        match stream {
            Ok(stream) => Ok(Self {
                reader: BufReader::with_capacity(64 << 10, stream),
                path,
                line: Vec::new(),
            }),
            Err(error) => Err(Failure(format!(
                "no unbraid answers at {}: {}",
                path.display(),
                crate::cause(&error)
            ))),
        }
    }

    pub(super) fn ask(&mut self, request: Request) -> Result<(), Failure> {
        match self.reader.get_ref().write_all(&request.encode()) {
            // Who turns a client away says why before it closes.
            Err(error)
                if !matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ) =>
            {
                Err(self.lost(&error))
            }
            _ => Ok(()),
        }
    }

    /// From now on an answer may take as long as it takes.
    pub(super) fn wait_for_ever(&mut self) -> Result<(), Failure> {
        let set = self.reader.get_ref().set_read_timeout(None);
        set.map_err(|error| self.lost(&error))
    }

    /// The next answer.
    pub(super) fn answer(&mut self) -> Result<Answer, Failure> {
        match self.next()? {
            Line::Answer(answer) => Ok(answer),
            Line::Record => Err(Failure(format!(
                "{}: what answers there is no unbraid of this version",
                self.path.display()
            ))),
            Line::End => Err(Failure(format!(
                "{}: unbraid has closed the connection",
                self.path.display()
            ))),
        }
    }

    /// The next line.
    pub(super) fn next(&mut self) -> Result<Line, Failure> {
        self.line.clear();
        match self.reader.read_until(b'\n', &mut self.line) {
            Ok(0) => Ok(Line::End),
            // Cut off in mid-line: nothing that could be relied on.
            Ok(_) if !self.line.ends_with(b"\n") => Ok(Line::End),
            // An answer's first field is its version, a record's never.
            Ok(_) if self.line.starts_with(b"{\"v\":") => {
                Ok(Answer::decode(&self.line).map_or(Line::Record, Line::Answer))
            }
            Ok(_) => Ok(Line::Record),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Line::End),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(Failure(format!(
                "{}: unbraid does not answer within {} s",
                self.path.display(),
                PATIENCE.as_secs()
            ))),
            Err(error) => Err(self.lost(&error)),
        }
    }

    /// The line that [`Self::next`] has read.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Whether the next line may have to be waited for.
    pub(super) fn is_drained(&self) -> bool {
        self.reader.buffer().is_empty()
    }

    /// unbraid's PID as this process sees it.
    pub(super) fn peer(&self) -> Option<i32> {
        getsockopt(self.reader.get_ref(), PeerCredentials)
            .ok()
            .map(|peer| peer.pid())
    }

    fn lost(&self, error: &std::io::Error) -> Failure {
        Failure(format!("{}: {}", self.path.display(), crate::cause(error)))
    }
}
