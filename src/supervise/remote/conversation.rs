//! One client of the control socket: what it sends becomes requests, what it is told waits here. Pure: bytes and `now` in.
//!
//! A client is patient or it is closed: it has [`PATIENCE`] for a whole request, and as long for taking some of an answer. One request
//! is worked on at a time; until its answer is out, nothing more is read. A client that follows the log is only ever behind:
//! what it does not take in time is left out, and it is told how much.

use crate::protocol::{Answer, MAX_REQUEST, Request};
use std::time::{Duration, Instant};

/// How long a client may take for a whole request, or for reading anything of its answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The most that waits for one client, in bytes. More makes it a hopeless one: it is closed.
pub(super) const MAX_OUTPUT: usize = 1 << 20;

/// What the client is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A request is expected.
    Listening,
    /// The answer to its request is being made.
    Waiting,
    /// It gets records as they come.
    Following,
    /// When its answer is out, it is closed.
    Closing,
}

/// What a look at a client's input gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// No whole request is there.
    Nothing,
    /// This is asked for.
    Request(Request),
}

/// One client.
#[derive(Debug)]
pub(super) struct Conversation {
    phase: Phase,
    input: Vec<u8>,
    output: Vec<u8>,
    /// How much of `output` is out.
    sent: usize,
    /// The client will send nothing more.
    silent: bool,
    /// When it is closed unless something moves.
    until: Instant,
}

impl Conversation {
    /// A client that has just connected.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Listening,
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            silent: false,
            until: now + PATIENCE,
        }
    }

    /// How many bytes may be read now.
    pub(super) fn room(&self) -> usize {
        match self.phase {
            Phase::Listening if !self.silent && self.pending().is_empty() => {
                MAX_REQUEST.saturating_sub(self.input.len())
            }
            // What a follower says is read and forgotten, so that its end is seen.
            Phase::Following if !self.silent => MAX_REQUEST,
            _ => 0,
        }
    }

    /// The client sent this; at most [`Self::room`] bytes.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        if self.phase == Phase::Listening {
            self.input.extend_from_slice(bytes);
        }
    }

    /// The client will send nothing more. It still gets its answer.
    pub(super) fn ended(&mut self) {
        self.silent = true;
    }

    /// The next request, if a whole one is there and the last answer is out. A fault is answered at once.
    pub(super) fn hear(&mut self, now: Instant) -> Heard {
        if self.phase != Phase::Listening || !self.pending().is_empty() {
            return Heard::Nothing;
        }
        let Some(end) = memchr::memchr(b'\n', &self.input) else {
            if self.input.len() >= MAX_REQUEST {
                self.refuse(
                    format!("a request is at most {MAX_REQUEST} bytes long"),
                    now,
                );
            }
            return Heard::Nothing;
        };
        let request = Request::decode(&self.input[..end]);
        self.input.drain(..=end);
        match request {
            Ok(request) => {
                self.phase = Phase::Waiting;
                Heard::Request(request)
            }
            Err(why) => {
                self.refuse(why, now);
                Heard::Nothing
            }
        }
    }

    /// Whether a request is there that may be worked on.
    pub(super) fn has_heard(&self) -> bool {
        self.phase == Phase::Listening && self.pending().is_empty() && self.input.contains(&b'\n')
    }

    /// Whether it asked for records and waits for them.
    pub(super) fn expects_lines(&self) -> bool {
        matches!(self.phase, Phase::Waiting | Phase::Following)
    }

    fn refuse(&mut self, why: String, now: Instant) {
        self.tell(&Answer::Error(why).encode(), now);
        self.close();
    }

    /// A part of an answer. False: too much waits already, and nothing more will be read from it.
    pub(super) fn tell(&mut self, line: &[u8], now: Instant) -> bool {
        if self.pending().is_empty() {
            self.output.clear();
            self.sent = 0;
            self.until = now + PATIENCE;
        }
        if self.pending().len() + line.len() > MAX_OUTPUT {
            return false;
        }
        self.output.extend_from_slice(line);
        true
    }

    /// The answer is complete: another request may follow.
    pub(super) fn answered(&mut self, now: Instant) {
        self.phase = Phase::Listening;
        if self.pending().is_empty() {
            self.until = now + PATIENCE;
        }
    }

    /// The client is closed when all is out.
    pub(super) fn close(&mut self) {
        self.phase = Phase::Closing;
    }

    /// Records will come until the client goes.
    pub(super) fn follow(&mut self) {
        self.phase = Phase::Following;
    }

    /// What is to be sent.
    pub(super) fn pending(&self) -> &[u8] {
        &self.output[self.sent..]
    }

    /// So many bytes are out.
    pub(super) fn sent(&mut self, count: usize, now: Instant) {
        self.sent += count;
        self.until = now + PATIENCE;
        if self.pending().is_empty() {
            // The memory of a large answer is not kept for a small one.
            self.output = Vec::new();
            self.sent = 0;
        } else if self.sent > self.pending().len() {
            // A reader that is always a little behind must not keep what it has read.
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// When [`Self::is_over`] may change by time alone.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Listening | Phase::Closing => Some(self.until),
            // Not even its first lines were taken: nobody reads.
            Phase::Waiting => (!self.pending().is_empty()).then_some(self.until),
            Phase::Following => None,
        }
    }

    /// Whether the client is to be closed.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let out = self.pending().is_empty();
        let nothing_more = match self.phase {
            Phase::Listening => out && self.silent && !self.input.contains(&b'\n'),
            Phase::Closing => out,
            Phase::Waiting | Phase::Following => false,
        };
        nothing_more || self.deadline().is_some_and(|until| now >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Logs;
    use proptest::prelude::*;

    const S: Duration = Duration::from_secs(1);
    const STATUS: &[u8] = b"{\"v\":1,\"do\":\"status\"}\n";

    /// Sends all of what is pending.
    fn flushed(client: &mut Conversation, now: Instant) -> Vec<u8> {
        let out = client.pending().to_vec();
        client.sent(out.len(), now);
        out
    }

    #[test]
    fn a_request_in_pieces_is_one() {
        let now = Instant::now();
        let mut client = Conversation::new(now);
        for byte in STATUS {
            assert_eq!(client.hear(now), Heard::Nothing);
            client.received(&[*byte]);
        }
        assert_eq!(client.hear(now), Heard::Request(Request::Status));
        assert_eq!((client.room(), client.deadline()), (0, None));
    }

    #[test]
    fn the_next_request_waits_until_the_answer_is_out() {
        let now = Instant::now();
        let mut client = Conversation::new(now);
        client.received(&[STATUS, STATUS].concat());
        assert_eq!(client.hear(now), Heard::Request(Request::Status));
        assert_eq!(client.hear(now), Heard::Nothing);
        assert!(client.tell(b"answer\n", now));
        client.answered(now);
        assert_eq!((client.hear(now), client.room()), (Heard::Nothing, 0));
        assert_eq!(flushed(&mut client, now), b"answer\n");
        assert_eq!(client.hear(now), Heard::Request(Request::Status));
    }

    #[test]
    fn half_a_request_is_waited_for_only_so_long() {
        let now = Instant::now();
        let mut client = Conversation::new(now);
        client.received(&STATUS[..10]);
        assert_eq!(client.hear(now), Heard::Nothing);
        assert_eq!(client.deadline(), Some(now + PATIENCE));
        // Another byte is no whole request.
        client.received(b"x");
        assert!(!client.is_over(now + S));
        assert!(client.is_over(now + PATIENCE));
    }

    #[test]
    fn a_line_without_end_is_refused_at_the_limit() {
        let now = Instant::now();
        let mut client = Conversation::new(now);
        let mut given = 0;
        while client.room() > 0 {
            let bytes = vec![b'x'; client.room().min(1000)];
            given += bytes.len();
            client.received(&bytes);
            assert_eq!(client.hear(now), Heard::Nothing);
        }
        assert_eq!(given, MAX_REQUEST);
        assert!(flushed(&mut client, now).ends_with(b"is at most 4096 bytes long\"}\n"));
        assert!(client.is_over(now));
    }

    #[test]
    fn a_fault_is_told_and_ends_the_conversation() {
        let now = Instant::now();
        let mut client = Conversation::new(now);
        client.received(b"hello\n");
        client.received(STATUS);
        assert_eq!(client.hear(now), Heard::Nothing);
        assert!(client.pending().starts_with(b"{\"v\":1,\"error\":"));
        assert!(!client.is_over(now));
        // An answer that nobody reads does not keep it.
        assert!(client.is_over(now + PATIENCE));
        flushed(&mut client, now);
        assert!(client.is_over(now));
        assert_eq!(client.hear(now), Heard::Nothing);
    }

    #[test]
    fn who_says_its_last_word_still_gets_its_answers() {
        let now = Instant::now();
        let mut client = Conversation::new(now);
        client.received(&[STATUS, STATUS].concat());
        client.ended();
        for _ in 0..2 {
            assert_eq!(client.hear(now), Heard::Request(Request::Status));
            assert!(!client.is_over(now + PATIENCE));
            client.tell(b"answer\n", now);
            client.answered(now);
            assert!(!client.is_over(now));
            flushed(&mut client, now);
        }
        assert!(client.is_over(now));
    }

    #[test]
    fn an_answer_that_is_read_slowly_goes_on() {
        let now = Instant::now();
        let mut client = Conversation::new(now);
        client.received(STATUS);
        client.hear(now);
        client.tell(&[b'x'; 10], now);
        client.answered(now);
        for second in 1..=10 {
            let then = now + second * 9 * S;
            assert!(!client.is_over(then));
            client.sent(1, then);
        }
        let last = now + 90 * S;
        assert_eq!(client.deadline(), Some(last + PATIENCE));
    }

    #[test]
    fn what_waits_is_bounded() {
        let now = Instant::now();
        let mut client = Conversation::new(now);
        client.follow();
        let line = vec![b'x'; MAX_OUTPUT / 2];
        assert!(client.tell(&line, now) && client.tell(&line, now));
        assert!(!client.tell(b"x", now));
        client.sent(line.len(), now);
        assert!(client.tell(&line, now));
    }

    #[test]
    fn a_reader_that_is_always_a_little_behind_keeps_no_memory() {
        let now = Instant::now();
        let mut client = Conversation::new(now);
        client.follow();
        client.tell(&[b'x'; 1000], now);
        for _ in 0..10_000 {
            assert!(client.tell(&[b'x'; 1000], now));
            client.sent(1000, now);
            assert!(client.output.len() <= 4000);
        }
        assert_eq!(client.pending().len(), 1000);
    }

    #[test]
    fn a_follower_has_no_deadline_and_is_not_listened_to() {
        let now = Instant::now();
        let mut client = Conversation::new(now);
        client.received(b"{\"v\":1,\"do\":\"logs\",\"follow\":true}\n");
        let logs = Logs {
            follow: true,
            ..Logs::default()
        };
        assert_eq!(client.hear(now), Heard::Request(Request::Logs(logs)));
        client.follow();
        assert_eq!(client.room(), MAX_REQUEST);
        client.received(STATUS);
        assert_eq!(client.hear(now), Heard::Nothing);
        client.ended();
        assert!(!client.is_over(now + 1000 * PATIENCE));
    }

    proptest! {
        /// Whatever comes, in whatever cut: what is kept stays bounded, and the conversation comes to its end.
        #[test]
        fn any_bytes_are_survived(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..8)) {
            let now = Instant::now();
            let mut client = Conversation::new(now);
            for chunk in chunks {
                let taken = chunk.len().min(client.room());
                client.received(&chunk[..taken]);
                while let Heard::Request(_) = client.hear(now) {
                    client.answered(now);
                }
                prop_assert!(client.input.len() <= MAX_REQUEST && client.pending().len() <= MAX_OUTPUT);
                flushed(&mut client, now);
            }
            client.ended();
            prop_assert!(client.is_over(now + PATIENCE));
        }
    }
}
