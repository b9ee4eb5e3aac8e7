//! Sixteen idle workers cost next to nothing.

mod support;

use support::gunicorn::Gunicorn;
use support::proc;
use support::unbraid::Unbraid;

#[test]
fn gunicorn_16_idle_workers_take_less_than_8_mib() {
    let server = Gunicorn::sync(16).start(Unbraid::logging_json());
    let peak = proc::peak_memory(server.running.pid());
    println!(
        "most resident memory: {} KiB, {} descriptors",
        peak / 1024,
        proc::descriptors(server.running.pid())
    );
    assert!(peak < 8 << 20, "{peak} bytes resident");
}
