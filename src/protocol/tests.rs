use super::*;
use crate::supervise::task::NAMED;
use proptest::prelude::*;

fn decoded(text: &str) -> Result<Request, String> {
    Request::decode(text.as_bytes())
}

#[test]
fn every_request_is_read_as_it_was_meant() {
    let logs = Logs {
        follow: true,
        pid: Some(12),
        slot: Some(3),
        lines: Some(10),
    };
    let mut requests = vec![
        Request::Status,
        Request::Logs(Logs::default()),
        Request::Logs(logs),
        Request::task(Task::Workers(-2), true),
    ];
    requests.extend(NAMED.map(|(_, task)| Request::task(task, false)));
    requests.extend(NAMED.map(|(_, task)| Request::task(task, true)));
    for request in requests {
        let line = request.encode();
        assert_eq!(memchr::memchr_iter(b'\n', &line).count(), 1);
        assert!(line.ends_with(b"\n") && line.len() < MAX_REQUEST);
        assert_eq!(Request::decode(&line), Ok(request));
    }
}

#[test]
fn the_lines_are_those_of_the_manual_page() {
    assert_eq!(Request::Status.encode(), b"{\"v\":1,\"do\":\"status\"}\n");
    assert_eq!(
        Request::task(Task::Workers(1), false).encode(),
        b"{\"v\":1,\"do\":\"workers\",\"change\":1}\n"
    );
    assert_eq!(
        Answer::Accepted("reload".into()).encode(),
        b"{\"v\":1,\"accepted\":\"reload\"}\n"
    );
    assert_eq!(Answer::Dropped(7).encode(), b"{\"v\":1,\"dropped\":7}\n");
}

#[test]
fn unknown_fields_are_ignored_on_both_sides() {
    assert_eq!(
        decoded(r#"{"new":{"a":[1]},"do":"status","v":1,"wait":true}"#),
        Ok(Request::Status)
    );
    assert_eq!(
        Answer::decode(br#"{"since":1,"v":1,"done":"stop","more":{}}"#),
        Some(Answer::Done("stop".into()))
    );
}

#[test]
fn what_is_no_request_is_told_why() {
    for (line, why) in [
        ("", "not a request"),
        ("status", "not a request"),
        ("[1]", "not a request"),
        (
            r#"[1,"status",false,null,false,null,null,null]"#,
            "not a request",
        ),
        (r#""status""#, "not a request"),
        (r#"{"v":1,"do":"status"} {}"#, "not a request"),
        (r#"{"v":"1","do":"status"}"#, "not a request"),
        (r#"{"do":"status"}"#, "no version"),
        (r#"{"v":2,"do":"status"}"#, "version 2"),
        (r#"{"v":1}"#, "names nothing"),
        (r#"{"v":1,"do":"explode"}"#, "names nothing"),
        (r#"{"v":1,"do":"workers"}"#, "change"),
        (r#"{"v":1,"do":"workers","change":0}"#, "change"),
        (r#"{"v":1,"do":"workers","change":99999999999}"#, "i32"),
    ] {
        let told = decoded(line).expect_err(line);
        assert!(told.contains(why), "{line}: {told}");
    }
}

fn status() -> Status {
    Status {
        name: "a \"name\"\n".into(),
        pid: 1,
        version: "0.1.0".into(),
        server: "generic".into(),
        state: State::Restarting,
        next_start: Some(2.5),
        restarts: 3,
        uptime: None,
        records: Some(7),
        bytes: None,
        dropped: None,
        blocked: vec!["/tmp/fifo".into()],
        hangs: true,
        instances: vec![InstanceStatus {
            instance: 1,
            state: State::Up,
            next_start: None,
            restarts: 2,
            uptime: Some(1.5),
        }],
        processes: vec![Row {
            slot: Some(2),
            pid: 77,
            role: Role::Worker,
            instance: None,
            age: 0.25,
            state: Life::Ended,
            records: Some(u64::MAX),
            bytes: None,
            last: Some("2026-11-23T10:00:00.123456Z".into()),
            shared: true,
            memory: None,
        }],
        left_out: 0,
    }
}

#[test]
fn every_answer_is_read_as_it_was_meant() {
    for answer in [
        Answer::Status(Box::new(status())),
        Answer::Accepted("stop".into()),
        Answer::Progress("2 of 8".into()),
        Answer::Done("restart-workers".into()),
        Answer::Error("no\nway".into()),
        Answer::Dropped(u64::MAX),
    ] {
        let line = answer.encode();
        assert_eq!(memchr::memchr_iter(b'\n', &line).count(), 1);
        assert_eq!(Answer::decode(&line), Some(answer));
    }
}

#[test]
fn a_record_is_no_answer() {
    let record =
        br#"{"time":"2026-11-23T10:00:00Z","pid":1,"message":"{\"v\":1,\"error\":\"x\"}"}"#;
    assert_eq!(Answer::decode(record), None);
    assert_eq!(Answer::decode(br#"{"v":2,"done":"stop"}"#), None);
}

proptest! {
    #[test]
    fn any_bytes_give_a_request_or_one_line_of_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(told) = Request::decode(&bytes) {
            prop_assert!(!told.contains('\n') && told.len() < 200);
        }
        let _ = Answer::decode(&bytes);
    }

    #[test]
    fn any_object_gives_a_request_or_one_line_of_error(
        v in 0u64..3, what in "status|stop|logs|workers|[a-z\\\\\n]{0,9}", change in any::<i64>(), pid in any::<i64>(),
    ) {
        let line = serde_json::json!({"v": v, "do": what, "change": change, "pid": pid}).to_string();
        match decoded(&line) {
            Ok(request) => prop_assert_eq!(Request::decode(&request.encode()), Ok(request)),
            Err(told) => prop_assert!(!told.contains('\n') && told.len() < 200),
        }
    }
}
