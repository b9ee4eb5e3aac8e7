use super::*;
use crate::supervise::restart::{self, Limit, Success, When};

const S: Duration = Duration::from_secs(1);

const TERM: Event = Event::Stop {
    signal: libc::SIGTERM,
    forward: true,
};

fn policy() -> Policy {
    Policy {
        stop_timeout: 90 * S,
        drain_timeout: 5 * S,
        leftovers: Leftovers::Stop,
    }
}

fn series(when: When, limit: Option<Limit>) -> Series {
    Series::new(restart::Policy {
        when,
        delay: S,
        max_delay: 60 * S,
        limit,
        success: Success::default(),
    })
}

fn machine(when: When, now: Instant) -> Machine {
    Machine::running(policy(), series(when, None), now)
}

fn gone(code: i32, last: bool) -> Event {
    Event::Gone {
        outcome: exit(code),
        hopeless: false,
        last,
    }
}

fn exit(code: i32) -> Outcome {
    Outcome::Exit(Exit::Code(code))
}

fn over(code: i32) -> [Action; 2] {
    [Action::Tell(Fate::Over), Action::Ended(exit(code))]
}

#[test]
fn a_stop_is_forwarded_and_the_last_one_is_over_with_its_process() {
    let now = Instant::now();
    let mut machine = machine(When::Always, now);
    assert_eq!(machine.on(TERM, now), [Action::Forward(libc::SIGTERM)]);
    assert_eq!(machine.deadline(), Some(now + 90 * S));
    assert_eq!(machine.on(gone(3, true), now), over(3));
    assert_eq!((machine.state(), machine.deadline()), (State::Over, None));
}

#[test]
fn a_repeated_term_is_forwarded_and_moves_no_deadline() {
    let now = Instant::now();
    let mut machine = machine(When::No, now);
    machine.on(TERM, now);
    assert_eq!(machine.on(TERM, now + S), [Action::Forward(libc::SIGTERM)]);
    assert_eq!(machine.deadline(), Some(now + 90 * S));
}

#[test]
fn what_the_terminal_sent_begins_the_stop_alone() {
    let now = Instant::now();
    let mut machine = machine(When::No, now);
    let ctrl_c = Event::Stop {
        signal: libc::SIGINT,
        forward: false,
    };
    assert_eq!(machine.on(ctrl_c, now), []);
    assert_eq!(machine.deadline(), Some(now + 90 * S));
    assert_eq!(machine.on(Event::Kill, now), [Action::Kill]);
}

#[test]
fn at_the_stop_deadline_all_are_killed_again_and_again() {
    let now = Instant::now();
    let mut machine = machine(When::No, now);
    machine.on(TERM, now);
    assert_eq!(machine.on(Event::Tick, now + 89 * S), []);
    let late = now + 90 * S;
    assert_eq!(
        machine.on(Event::Tick, late),
        [Action::TellKill, Action::Kill]
    );
    assert_eq!(machine.on(Event::Tick, late + KILL_AGAIN), [Action::Kill]);
    assert!(machine.serves());
    assert_eq!(machine.on(gone(0, true), late + S), over(0));
}

#[test]
fn a_stop_goes_on_to_the_process_that_follows() {
    let now = Instant::now();
    let mut machine = machine(When::No, now);
    assert_eq!(machine.on(Event::Followed, now), []);
    machine.on(TERM, now);
    assert_eq!(
        machine.on(Event::Followed, now),
        [Action::Forward(libc::SIGTERM)]
    );
}

#[test]
fn a_failure_is_cleared_then_waits_then_starts() {
    let now = Instant::now();
    let mut machine = machine(When::OnFailure, now);
    let fate = Fate::Again {
        delay: S,
        attempt: 2,
    };
    assert_eq!(
        machine.on(gone(1, true), now),
        [Action::Tell(fate), Action::StopLeftovers]
    );
    assert_eq!(machine.state(), State::Clearing);
    assert_eq!(machine.on(Event::Leftovers(2), now), []);
    assert_eq!(machine.on(Event::Leftovers(0), now), []);
    assert_eq!(machine.state(), State::Delayed(now + S));
    assert_eq!(machine.on(Event::Tick, now + S / 2), []);
    assert_eq!(machine.on(Event::Tick, now + S), [Action::Start]);
    // The second failure of the series.
    let fate = Fate::Again {
        delay: 2 * S,
        attempt: 3,
    };
    assert_eq!(
        machine.on(gone(1, true), now + S),
        [Action::Tell(fate), Action::StopLeftovers]
    );
}

#[test]
fn leftovers_that_do_not_end_are_killed_and_then_not_waited_for_for_ever() {
    let now = Instant::now();
    let mut machine = machine(When::Always, now);
    machine.on(gone(0, true), now);
    machine.on(Event::Leftovers(1), now);
    let mut at = now + 5 * S;
    assert_eq!(machine.on(Event::Tick, at), [Action::KillLeftovers]);
    for _ in 1..5 {
        at += KILL_AGAIN;
        assert_eq!(machine.on(Event::Tick, at), [Action::KillLeftovers]);
    }
    // The delay is over by now.
    assert_eq!(machine.on(Event::Tick, at + KILL_AGAIN), [Action::Start]);
}

#[test]
fn leftovers_may_be_left() {
    let now = Instant::now();
    let leave = Policy {
        leftovers: Leftovers::Leave,
        ..policy()
    };
    let mut machine = Machine::running(leave, series(When::Always, None), now);
    let actions = machine.on(gone(0, true), now);
    assert_eq!(actions[1..], [Action::TellLeftovers]);
    assert_eq!(machine.state(), State::Delayed(now + S));
}

#[test]
fn a_stop_while_it_waits_is_immediate() {
    let now = Instant::now();
    for cleared in [false, true] {
        let mut machine = machine(When::Always, now);
        machine.on(gone(7, true), now);
        if cleared {
            machine.on(Event::Leftovers(0), now);
        }
        assert_eq!(machine.on(TERM, now), [Action::Ended(exit(7))]);
        assert_eq!(machine.on(Event::Tick, now + 9 * S), []);
        assert!(machine.is_over());
    }
}

#[test]
fn one_of_several_is_cleared_when_it_ends_for_good() {
    let now = Instant::now();
    let mut machine = machine(When::No, now);
    assert_eq!(
        machine.on(gone(0, false), now),
        [
            Action::Tell(Fate::Over),
            Action::StopLeftovers,
            Action::Ended(exit(0))
        ]
    );
    assert!(machine.is_over() && machine.clears());
    assert_eq!(machine.on(TERM, now), []);
    assert_eq!(machine.on(Event::Leftovers(0), now), []);
    assert!(machine.is_over() && !machine.clears());
}

#[test]
fn a_restart_stops_clears_and_starts_without_delay() {
    let now = Instant::now();
    let restart = Event::Restart {
        signal: libc::SIGTERM,
    };
    let mut machine = machine(When::No, now);
    assert_eq!(machine.on(restart, now), [Action::Forward(libc::SIGTERM)]);
    assert_eq!(machine.on(restart, now), []);
    assert_eq!(
        machine.on(gone(0, true), now),
        [Action::Tell(Fate::Restarted), Action::StopLeftovers]
    );
    assert_eq!(machine.on(Event::Leftovers(0), now), [Action::Start]);
    // A restart whose server does not end is killed, and comes again.
    machine.on(restart, now);
    machine.on(Event::Tick, now + 90 * S);
    let actions = machine.on(gone(137, true), now + 90 * S);
    assert_eq!(actions[0], Action::Tell(Fate::Restarted));
    assert_eq!(
        machine.on(Event::Leftovers(0), now + 90 * S),
        [Action::Start]
    );
}

#[test]
fn a_restart_shortens_a_wait_and_wakes_what_is_over() {
    let now = Instant::now();
    let restart = Event::Restart {
        signal: libc::SIGTERM,
    };
    let mut waiting = machine(When::Always, now);
    waiting.on(gone(1, true), now);
    assert_eq!(waiting.on(restart, now), []);
    assert_eq!(waiting.on(Event::Leftovers(0), now), [Action::Start]);
    waiting.on(gone(1, true), now);
    waiting.on(Event::Leftovers(0), now);
    assert_eq!(waiting.on(restart, now), [Action::Start]);
    let mut over = machine(When::No, now);
    over.on(gone(1, false), now);
    over.on(Event::Leftovers(0), now);
    assert_eq!(over.on(restart, now), [Action::Start]);
}

#[test]
fn a_stop_takes_a_restart_back() {
    let now = Instant::now();
    let mut machine = machine(When::Always, now);
    machine.on(Event::Restart { signal: 15 }, now);
    assert_eq!(machine.on(TERM, now), [Action::Forward(15)]);
    assert_eq!(machine.on(gone(0, true), now), over(0));
}

#[test]
fn a_start_that_fails_is_a_failed_run() {
    let now = Instant::now();
    let mut machine = Machine::waiting(policy(), series(When::OnFailure, None), now);
    assert_eq!(machine.on(Event::Tick, now), [Action::Start]);
    let failed = Event::Gone {
        outcome: Outcome::Unstarted(127),
        hopeless: false,
        last: true,
    };
    let fate = Fate::Again {
        delay: S,
        attempt: 2,
    };
    assert_eq!(machine.on(failed, now)[0], Action::Tell(fate));
    machine.on(Event::Leftovers(0), now);
    assert_eq!(
        machine.on(TERM, now),
        [Action::Ended(Outcome::Unstarted(127))]
    );
}

#[test]
fn the_limit_ends_it() {
    let now = Instant::now();
    let limit = Limit {
        starts: 1,
        within: 60 * S,
    };
    let mut machine = Machine::running(policy(), series(When::Always, Some(limit)), now);
    assert_eq!(
        machine.on(gone(5, true), now),
        [Action::Tell(Fate::GivenUp), Action::Ended(exit(5))]
    );
}
