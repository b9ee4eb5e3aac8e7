use super::*;
use crate::record::Kind;
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

fn origin(pid: i32, slot: u32) -> Origin {
    Origin {
        pid,
        slot,
        stream: Stream::Stdout,
        shared: false,
        source: 1,
    }
}

/// Records come so far apart that all of them are kept.
fn line(bytes: &[u8]) -> Record<'_> {
    static CLOCK: AtomicU64 = AtomicU64::new(1_700_000_000_000_000);
    Record {
        bytes,
        wall_us: CLOCK.fetch_add(1_000_000, Ordering::Relaxed),
        kind: Kind::Line,
        part: None,
    }
}

fn ask(wanted: Wanted, past: Option<usize>, room: Option<&Arc<Room>>) -> Listen {
    Listen {
        client: 9,
        wanted,
        past,
        room: room.map(Arc::clone),
    }
}

/// The messages of an answer, and what it says of lost ones.
fn messages(lines: &[u8]) -> Vec<String> {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    lines
        .map(|line| {
            if let Some(Answer::Dropped(count)) = Answer::decode(line) {
                return format!("-{count}");
            }
            let record: serde_json::Value = serde_json::from_slice(line).unwrap();
            record["message"].as_str().unwrap().to_owned()
        })
        .collect()
}

fn feed() -> Feed {
    Feed::new(true, "test")
}

#[test]
fn the_past_is_told_in_its_order_filtered_and_counted() {
    let mut feed = feed();
    for number in 0..6 {
        let text = format!("{number}\n");
        feed.take(
            &origin(10 + number % 2, (number % 3) as u32),
            &line(text.as_bytes()),
        );
    }
    let mut past =
        |pid, slot, past| messages(&feed.ask(ask(Wanted { pid, slot }, past, None)).lines);
    assert_eq!(past(None, None, None), ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(past(None, None, Some(2)), ["4", "5"]);
    assert_eq!(past(Some(11), None, None), ["1", "3", "5"]);
    assert_eq!(past(None, Some(2), Some(1)), ["5"]);
    assert_eq!(past(Some(10), Some(2), None), ["2"]);
    assert!(past(None, None, Some(0)).is_empty());
}

#[test]
fn own_messages_have_no_slot() {
    let mut feed = feed();
    let own = Origin {
        stream: Stream::Unbraid,
        ..origin(1, 0)
    };
    feed.take(&own, &line(b"own\n"));
    feed.take(&origin(2, 0), &line(b"main\n"));
    let slot = Wanted {
        slot: Some(0),
        pid: None,
    };
    assert_eq!(messages(&feed.ask(ask(slot, None, None)).lines), ["main"]);
    let all = feed.ask(ask(Wanted::default(), None, None));
    assert_eq!(messages(&all.lines), ["own", "main"]);
}

#[test]
fn a_follower_gets_what_comes_and_what_it_asked_of_the_past() {
    let mut feed = feed();
    let room = Arc::new(Room::default());
    feed.take(&origin(1, 0), &line(b"before\n"));
    let first = feed.ask(ask(Wanted::default(), Some(1), Some(&room)));
    assert_eq!(
        (messages(&first.lines), first.last),
        (vec!["before".into()], false)
    );
    assert_eq!(feed.chunks(), []);
    feed.take(&origin(1, 0), &line(b"one\n"));
    feed.take(&origin(2, 1), &line(b"two\n"));
    let chunks = feed.chunks();
    assert_eq!(messages(&chunks[0].lines), ["one", "two"]);
    assert_eq!(room.used(), first.lines.len() + chunks[0].lines.len());
    assert_eq!(feed.chunks(), []);
    room.close();
    feed.take(&origin(1, 0), &line(b"late\n"));
    assert_eq!((feed.chunks(), feed.followers.len()), (vec![], 0));
}

#[test]
fn a_follower_that_does_not_read_loses_records_and_is_told_how_many() {
    let mut feed = feed();
    let room = Arc::new(Room::default());
    feed.ask(ask(Wanted::default(), Some(0), Some(&room)));
    let text = [b"x".repeat(1000), b"\n".to_vec()].concat();
    for _ in 0..1000 {
        feed.take(&origin(1, 0), &line(&text));
    }
    let lines = feed.chunks().remove(0).lines;
    assert!(lines.len() <= ON_THE_WAY && lines.len() == room.used());
    let got = messages(&lines).len() as u64;
    // There is room again, but the loss was not told: what comes now is lost with the rest.
    room.leave(lines.len());
    feed.take(&origin(1, 0), &line(b"not yet\n"));
    assert_eq!(room.take_lost(), 1000 - got + 1);
    feed.take(&origin(1, 0), &line(b"again\n"));
    assert_eq!(messages(&feed.chunks()[0].lines), ["again"]);
}

#[test]
fn a_long_record_goes_alone_and_a_longer_one_is_lost_and_told() {
    let mut feed = feed();
    let room = Arc::new(Room::default());
    feed.ask(ask(Wanted::default(), Some(0), Some(&room)));
    feed.take(&origin(1, 0), &line(&vec![b'x'; ON_THE_WAY + 1]));
    let lines = feed.chunks().remove(0).lines;
    assert!(lines.len() > ON_THE_WAY);
    room.leave(lines.len());
    feed.take(&origin(1, 0), &line(&vec![b'x'; LONGEST]));
    let chunk = feed.chunks().remove(0);
    // An empty chunk: so control hears of it.
    assert!(chunk.lines.is_empty());
    assert_eq!(room.take_lost(), 1);
}

#[test]
fn what_is_not_kept_is_told_where_it_was() {
    let mut feed = feed();
    let long = vec![b'x'; 1 << 20];
    for text in [&b"one\n"[..], &long, &long, b"two\n", b"three\n", &long] {
        feed.take(&origin(1, text.len().min(7) as u32), &line(text));
    }
    let mut past = |wanted, count| messages(&feed.ask(ask(wanted, count, None)).lines);
    let all = Wanted::default();
    assert_eq!(past(all, None), ["one", "-2", "two", "three", "-1"]);
    assert_eq!(past(all, Some(2)), ["two", "three", "-1"]);
    let slot = Wanted {
        slot: Some(4),
        pid: None,
    };
    assert_eq!(past(slot, None), ["one", "-2", "two", "-1"]);
}

#[test]
fn nothing_is_kept_for_nobody() {
    let mut feed = Feed::new(false, "test");
    feed.take(&origin(1, 0), &line(b"one\n"));
    let answer = feed.ask(ask(Wanted::default(), None, None));
    assert!(answer.lines.is_empty() && answer.last);
}

#[test]
fn an_answer_about_the_past_is_bounded() {
    let mut feed = feed();
    // Each control character takes six bytes in JSON.
    let text = [vec![1; 60 << 10], b"\n".to_vec()].concat();
    for _ in 0..2 {
        feed.take(&origin(1, 0), &line(&text));
    }
    for _ in 0..2 * 512 {
        feed.take(&origin(1, 0), &line(&[0xff; 63]));
    }
    let answer = feed.ask(ask(Wanted::default(), None, None));
    assert!(answer.lines.len() <= PAST && !answer.lines.is_empty());
}

proptest! {
    /// What a follower was sent and told to have lost is all there was, in its order, however it reads.
    #[test]
    fn nothing_is_lost_unseen(steps in proptest::collection::vec((0usize..3, 1usize..200_000), 1..40)) {
        let mut feed = feed();
        let room = Arc::new(Room::default());
        feed.ask(ask(Wanted::default(), Some(0), Some(&room)));
        let (mut given, mut told) = (0_u64, 0_u64);
        for (what, size) in steps {
            match what {
                0 | 1 => {
                    let text = format!("{given} {}\n", "x".repeat(size));
                    feed.take(&origin(1, 0), &line(text.as_bytes()));
                    given += 1;
                }
                _ => {
                    for chunk in feed.chunks() {
                        for message in messages(&chunk.lines) {
                            let number: u64 = message.split(' ').next().unwrap().parse().unwrap();
                            prop_assert_eq!(number, told);
                            told += 1;
                        }
                        room.leave(chunk.lines.len());
                    }
                    told += room.take_lost();
                }
            }
            prop_assert!(room.used() <= LONGEST.max(ON_THE_WAY));
        }
        for chunk in feed.chunks() {
            told += messages(&chunk.lines).len() as u64;
        }
        prop_assert_eq!(told + room.take_lost(), given);
    }
}
