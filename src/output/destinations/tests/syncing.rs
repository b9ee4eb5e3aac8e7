//! `--sync`: what is given to the thread, and when.

use super::*;
use crate::testing::until;

fn sync(when: WhenSync) -> Settings {
    Settings {
        sync: when,
        ..Settings::default()
    }
}

fn dirty(rig: &Rig) -> usize {
    rig.to
        .sinks
        .iter()
        .filter(|(_, sink)| sink.syncing.dirty)
        .count()
}

#[test]
fn so_long_after_the_first_write() {
    let second = Duration::from_secs(1);
    let mut rig = Rig::set(&["DIR/log"], sync(WhenSync::Every(second)));
    rig.flush();
    assert_eq!(rig.to.deadline(), None);
    rig.lines(1, "a\n");
    assert_eq!(
        (rig.to.deadline(), dirty(&rig)),
        (Some(rig.now + second), 1)
    );
    rig.now += second / 2;
    rig.lines(1, "b\n");
    assert_eq!(rig.to.deadline(), Some(rig.now + second / 2));
    rig.next_deadline();
    assert_eq!(dirty(&rig), 0);
    // Once more there is nothing to be done.
    rig.next_deadline();
    assert_eq!(rig.to.deadline(), None);
    assert_eq!(rig.told(), []);
}

#[test]
fn at_rotation_and_at_the_end() {
    let mut rig = Rig::set(&["DIR/log"], sync(WhenSync::Rotate));
    rig.lines(1, "a\n");
    assert_eq!((rig.to.deadline(), dirty(&rig)), (None, 1));
    rig.to.rotate(rig.now);
    assert_eq!(dirty(&rig), 0);
    rig.lines(1, "b\n");
    rig.to.sync_all();
    // Its descriptor comes back when the thread is done.
    until("it is closed", || open_below(rig.dir.path()) == 1);
    assert_eq!(rig.told(), []);
}

#[test]
fn pipes_are_not_synced() {
    let (_reader, writer) = small_pipe();
    let dir = tempfile::tempdir().unwrap();
    let every = sync(WhenSync::Every(Duration::from_secs(1)));
    let mut rig = Rig::all(dir, &["-"], every, 9, writer, null()).unwrap();
    rig.lines(1, "a\n");
    assert_eq!(rig.to.deadline(), None);
}
