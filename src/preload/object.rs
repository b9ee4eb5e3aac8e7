//! The object that `LD_PRELOAD` puts into every process of the server.
//!
//! It gives each forked process, and each program that starts, pipes of its own in place of those it inherited, and hands
//! the read ends to unbraid. One object serves every libc: it needs no library, and of the C library it asks three symbols,
//! all weak. It runs inside other people's processes, so: system calls only, no allocation, `errno` untouched, and at
//! any failure the process stays as it was, on its parent's pipes.

#![no_std]
#![deny(unsafe_op_in_unsafe_fn)]

#[path = "../capture/wire.rs"]
#[allow(dead_code)]
mod wire;

mod fds;
mod kernel;
mod mem;
mod register;

use core::cell::UnsafeCell;
use core::ffi::{c_char, c_int, c_void};
use wire::{Event, Socket};

// The weak symbols. Stable Rust has no weak externs, and a table of addresses is the same on every architecture: where the C library has no
// such symbol, its entry is 0.
core::arch::global_asm!(
    ".pushsection .data.rel.unbraid_weak,\"aw\"",
    ".balign 8",
    ".globl unbraid_weak",
    ".hidden unbraid_weak",
    ".type unbraid_weak, %object",
    ".size unbraid_weak, 24",
    "unbraid_weak:",
    ".weak __register_atfork",
    ".weak pthread_atfork",
    ".weak environ",
    ".8byte __register_atfork",
    ".8byte pthread_atfork",
    ".8byte environ",
    ".popsection",
);

type Handler = Option<unsafe extern "C" fn()>;
type RegisterAtfork = unsafe extern "C" fn(Handler, Handler, Handler, *const c_void) -> c_int;
type PthreadAtfork = unsafe extern "C" fn(Handler, Handler, Handler) -> c_int;

#[repr(C)]
struct Weak {
    register_atfork: Option<RegisterAtfork>,
    pthread_atfork: Option<PthreadAtfork>,
    environ: *const *const *const c_char,
}

unsafe extern "C" {
    #[link_name = "unbraid_weak"]
    static WEAK: Weak;
}

/// Written once by the constructor, while the process has one thread; read only afterwards.
struct Once(UnsafeCell<Option<Socket>>);

// SAFETY: the constructor, which alone writes, runs before any second thread exists.
unsafe impl Sync for Once {}

static SOCKET: Once = Once(UnsafeCell::new(None));

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = constructor;

/// Runs when a program starts. musl passes no arguments to it, so it takes none.
extern "C" fn constructor() {
    // SAFETY: the loader has relocated the table before it calls constructors.
    let weak = unsafe { &WEAK };
    // SAFETY: `environ`, where it is defined, is the C library's and ends with a null pointer.
    let Some(text) = (unsafe { variable(weak.environ) }) else {
        return;
    };
    let Some(socket) = wire::parse_socket(text) else {
        return;
    };
    // SAFETY: the only write, before a second thread or a fork handler can exist.
    unsafe { *SOCKET.0.get() = Some(socket) };
    // SAFETY: the C library's own functions with its own types; the handler lives as long as the object, which is never unloaded.
    unsafe {
        match (weak.register_atfork, weak.pthread_atfork) {
            // glibc; the last argument names the object whose unloading would drop the handler.
            (Some(register), _) => register(None, None, Some(forked), (&raw const SOCKET).cast()),
            // musl
            (None, Some(register)) => register(None, None, Some(forked)),
            (None, None) => 0,
        };
    }
    register::register(&socket, Event::Exec);
}

/// Runs in the child of each fork, on whatever thread forked, where only async-signal-safe things may be done.
unsafe extern "C" fn forked() {
    // SAFETY: nobody writes any more.
    if let Some(socket) = unsafe { &*SOCKET.0.get() } {
        register::register(socket, Event::Fork);
    }
}

/// The value of our variable.
///
/// # Safety
/// `environ` is null or points at an array of C strings that ends with a null pointer.
unsafe fn variable(environ: *const *const *const c_char) -> Option<&'static [u8]> {
    if environ.is_null() {
        return None;
    }
    // SAFETY: as promised by the caller.
    let mut entry = unsafe { *environ };
    while !entry.is_null() {
        // SAFETY: the end of the array has not been passed.
        let text = unsafe { *entry };
        if text.is_null() {
            return None;
        }
        // SAFETY: an entry is a C string.
        let text = unsafe { bytes(text) };
        if let Some(value) = text
            .strip_prefix(wire::VARIABLE.as_bytes())
            .and_then(|t| t.strip_prefix(b"="))
        {
            return Some(value);
        }
        // SAFETY: not the null pointer yet, so there is another entry.
        entry = unsafe { entry.add(1) };
    }
    None
}

/// A C string without its end; not `CStr`, whose length is the C library's `strlen`.
///
/// # Safety
/// `text` is a C string that lives on.
unsafe fn bytes(text: *const c_char) -> &'static [u8] {
    let mut len = 0;
    // SAFETY: the string has not ended before `len`. Volatile, or the compiler makes a call of strlen from the loop.
    while unsafe { text.add(len).read_volatile() } != 0 {
        len += 1;
    }
    // SAFETY: `len` bytes were just read.
    unsafe { core::slice::from_raw_parts(text.cast(), len) }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // Nothing here panics; a process that is not ours must not be left spinning if it did.
    kernel::exit_group(125)
}
