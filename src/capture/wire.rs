//! What the preloaded object and the program say to each other: the mark on a pipe, the environment variable, the datagram.
//!
//! Both sides compile this file (the object by `#[path]`), so it uses `core` alone.

/// The variable that carries [`parse_socket`]'s text to every process of the server.
pub const VARIABLE: &str = "UNBRAID_PRELOAD_SOCKET";

/// The first field of the variable: an object of another version stays inert instead of guessing.
pub const VERSION: &[u8] = b"1";

/// A pipe of ours, by the mode of its inode: sticky, owner read and write, group and others write.
///
/// The mode survives reopening through `/dev/stderr`, fork and exec, where everything set with `fcntl` is lost. That others
/// may write lets a process that gave up root open `/dev/stdout` again.
pub const MARK: u32 = 0o1622;

/// The mode bits that [`MARK`] speaks of; the three execute bits beside them hold the stream's number.
const MARK_MASK: u32 = 0o7666;

/// The type bits of a mode, and the type of a pipe (inode(7)).
const TYPE_MASK: u32 = 0o170_000;
const TYPE_FIFO: u32 = 0o010_000;

/// The most streams that one datagram announces. Two are in use; the numbers 1 to 7 fit a mark.
pub const MAX_STREAMS: usize = 3;

/// The most descriptors in one datagram: a read end for each stream, and the sender's pidfd.
pub const MAX_FDS: usize = MAX_STREAMS + 1;

/// The longest abstract address, without its leading NUL, that the object stores.
pub const MAX_NAME: usize = 64;

/// The most pipes that can be told to the object as not ours.
pub const MAX_FOREIGN: usize = 16;

/// The bytes of a token.
pub const TOKEN: usize = 16;

/// The bytes of a datagram.
pub const LEN: usize = 4 + 4 + 4 + TOKEN;

const MAGIC: [u8; 4] = *b"ubr1";

/// The number of the stream whose pipe has this `st_mode`, or `None` where the pipe is not marked.
pub const fn stream_of(mode: u32) -> Option<u8> {
    if mode & TYPE_MASK != TYPE_FIFO || mode & MARK_MASK != MARK {
        return None;
    }
    match (((mode >> 6) & 1) << 2 | ((mode >> 3) & 1) << 1 | (mode & 1)) as u8 {
        0 => None,
        number => Some(number),
    }
}

/// The permission bits that mark a pipe as that of stream `number` (1 to 7).
pub const fn mode_of(number: u8) -> u32 {
    let n = number as u32;
    MARK | ((n >> 2) & 1) << 6 | ((n >> 1) & 1) << 3 | (n & 1)
}

/// What made the sender register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It was forked.
    Fork,
    /// It started a new program.
    Exec,
}

/// One registration, without its descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// Fork or exec.
    pub event: Event,
    /// Whether the last descriptor is the sender's pidfd.
    pub pidfd: bool,
    /// The numbers of the streams whose read ends come, in this order; 0 where there is none.
    pub streams: [u8; MAX_STREAMS],
    /// The parent's PID as the sender sees it. Not to be trusted for more than a hint.
    pub parent: i32,
    /// The shared secret.
    pub token: [u8; TOKEN],
}

impl Hello {
    /// How many streams it announces.
    pub fn stream_count(&self) -> usize {
        self.streams.iter().take_while(|n| **n != 0).count()
    }

    /// The datagram.
    pub fn encode(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        let event = match self.event {
            Event::Fork => b'F',
            Event::Exec => b'X',
        };
        let head = [event, self.streams[0], self.streams[1], self.streams[2]];
        let parent = ((self.parent as u32) << 1 | u32::from(self.pidfd)).to_le_bytes();
        let mut at = 0;
        for part in [&MAGIC[..], &head, &parent, &self.token] {
            for byte in part {
                out[at] = *byte;
                at += 1;
            }
        }
        out
    }

    /// The meaning of a datagram, or `None` where it is not one of ours.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = bytes.try_into().ok()?;
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (head, rest) = rest.split_first_chunk::<4>()?;
        let (parent, token) = rest.split_first_chunk::<4>()?;
        let event = match head[0] {
            b'F' => Event::Fork,
            b'X' => Event::Exec,
            _ => return None,
        };
        let parent = u32::from_le_bytes(*parent);
        let hello = Self {
            event,
            pidfd: parent & 1 == 1,
            streams: [head[1], head[2], head[3]],
            parent: (parent >> 1) as i32,
            token: token.try_into().ok()?,
        };
        let known = hello.streams.iter().all(|n| *n <= 7);
        (*magic == MAGIC && known && hello.stream_count() > 0).then_some(hello)
    }
}

/// The object's copy of the variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// The abstract address, without the leading NUL.
    pub name: [u8; MAX_NAME],
    /// How many bytes of `name` are used.
    pub name_len: usize,
    /// The shared secret.
    pub token: [u8; TOKEN],
    /// Inodes of marked pipes that belong to an outer unbraid; 0 where unused.
    pub foreign: [u64; MAX_FOREIGN],
}

/// Reads `VERSION:NAME:TOKEN[:INODE…]`; `None` for anything else.
pub fn parse_socket(text: &[u8]) -> Option<Socket> {
    let mut fields = text.split(|b| *b == b':');
    let version = fields.next()?;
    let name = fields.next()?;
    let token = fields.next()?;
    if version != VERSION || name.is_empty() || name.len() > MAX_NAME || token.len() != 2 * TOKEN {
        return None;
    }
    let mut socket = Socket {
        name: [0; MAX_NAME],
        name_len: name.len(),
        token: [0; TOKEN],
        foreign: [0; MAX_FOREIGN],
    };
    for (to, from) in socket.name.iter_mut().zip(name) {
        *to = *from;
    }
    for (to, pair) in socket.token.iter_mut().zip(token.chunks_exact(2)) {
        *to = hex(*pair.first()?)? << 4 | hex(*pair.get(1)?)?;
    }
    for (to, field) in socket.foreign.iter_mut().zip(fields) {
        *to = decimal(field)?;
    }
    Some(socket)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for digit in text {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
    }
    (!text.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_carries_its_stream_and_nothing_else_is_a_mark() {
        for number in 1..=7 {
            assert_eq!(stream_of(TYPE_FIFO | mode_of(number)), Some(number));
            // A regular file with the same bits, and an ordinary pipe.
            assert_eq!(stream_of(0o100_000 | mode_of(number)), None);
        }
        for mode in [0o600, 0o644, 0o666, MARK, 0o1777] {
            assert_eq!(stream_of(TYPE_FIFO | mode), None, "{mode:o}");
        }
    }

    #[test]
    fn a_datagram_comes_back_as_it_was() {
        for (event, streams, pidfd) in [
            (Event::Fork, [1, 2, 0], true),
            (Event::Exec, [2, 0, 0], false),
        ] {
            let hello = Hello {
                event,
                pidfd,
                streams,
                parent: 4_194_304,
                token: [7; TOKEN],
            };
            assert_eq!(Hello::decode(&hello.encode()), Some(hello));
        }
    }

    #[test]
    fn garbage_is_no_datagram() {
        let good = Hello {
            event: Event::Fork,
            pidfd: true,
            streams: [1, 0, 0],
            parent: 1,
            token: [0; TOKEN],
        }
        .encode();
        assert_eq!(Hello::decode(&good[..LEN - 1]), None);
        assert_eq!(Hello::decode(&[]), None);
        for (at, byte) in [(0, b'x'), (4, b'?'), (5, 0), (5, 8)] {
            let mut bad = good;
            bad[at] = byte;
            assert_eq!(Hello::decode(&bad), None, "{at}");
        }
    }

    #[test]
    fn the_variable_is_read_strictly() {
        let token = "00112233445566778899aabbccddeeff";
        let socket = parse_socket(format!("1:unbraid-x:{token}:12:34").as_bytes()).unwrap();
        assert_eq!(&socket.name[..socket.name_len], b"unbraid-x");
        assert_eq!((socket.token[0], socket.token[15]), (0, 0xff));
        assert_eq!(socket.foreign[..3], [12, 34, 0]);
        for bad in [
            "",
            "1",
            "1:n",
            "2:n:00112233445566778899aabbccddeeff",
            "1::00112233445566778899aabbccddeeff",
            "1:n:0011",
        ] {
            assert_eq!(parse_socket(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_socket(format!("1:n:{token}:x").as_bytes()), None);
    }
}
