//! A datagram with descriptors and the sender's credentials.

use crate::capture::wire::MAX_FDS;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// A datagram as it came.
#[derive(Debug)]
pub struct Datagram {
    /// How many bytes of the buffer it fills.
    pub len: usize,
    /// The descriptors that it carried, now this process's, closed by exec.
    pub fds: Vec<OwnedFd>,
    /// The sender's PID as the kernel attests it, in this process's PID namespace; 0: from outside of it.
    pub pid: i32,
    /// Whether descriptors were lost because there was no room for them (`MSG_CTRUNC`).
    pub truncated: bool,
}

/// Room for the credentials and for as many descriptors as a registration may carry, no more: the caller has places for
/// so many. Aligned as cmsg(3) asks.
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

const CONTROL: usize = space(size_of::<libc::ucred>()) + space(MAX_FDS * size_of::<i32>());

/// CMSG_SPACE as a constant: header and content, each up to a multiple of the machine's word.
const fn space(content: usize) -> usize {
    const WORD: usize = size_of::<usize>();
    size_of::<libc::cmsghdr>().next_multiple_of(WORD) + content.next_multiple_of(WORD)
}

/// Takes one datagram without waiting; `None`: there is none, or the socket was shut down.
///
/// The socket has `SO_PASSCRED`. Descriptors that find no free place in this process's table are lost (unix(7)), so the caller
/// has seen to it that there are enough.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
    let mut control = Control([0; CONTROL]);
    let mut iov = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: all-zero is a valid msghdr; its pointers are set to memory that lives through the call.
    let (len, message) = unsafe {
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &raw mut iov;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len() as _;
        let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
        (
            libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, flags),
            message,
        )
    };
    if len < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock {
            Ok(None)
        } else {
            Err(error)
        };
    }
    if len == 0 && message.msg_controllen == 0 {
        return Ok(None);
    }
    let truncated = message.msg_flags & libc::MSG_CTRUNC != 0;
    let mut datagram = Datagram {
        len: len as usize,
        fds: Vec::new(),
        pid: 0,
        truncated,
    };
    // SAFETY: the kernel has filled the control buffer of this message.
    unsafe { read_control(&message, &mut datagram) };
    Ok(Some(datagram))
}

/// # Safety
/// `message` was filled by recvmsg, and its control buffer lives.
unsafe fn read_control(message: &libc::msghdr, datagram: &mut Datagram) {
    // SAFETY: as cmsg(3) walks them; descriptors in SCM_RIGHTS are new and nobody else's.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            let data = libc::CMSG_DATA(header);
            let len = (*header).cmsg_len as usize - (data as usize - header as usize);
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    for at in (0..len).step_by(size_of::<i32>()) {
                        let fd = ptr::read_unaligned(data.add(at).cast());
                        datagram.fds.push(OwnedFd::from_raw_fd(fd));
                    }
                }
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {
                    let sender: libc::ucred = ptr::read_unaligned(data.cast());
                    datagram.pid = sender.pid;
                }
                _ => {}
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
}
