//! Where this library's memory comes from: a part of the process that no core file shows.
//!
//! Tokens are in memory while they are used, and a crash of the host program would write them to a core file, which
//! travels to crash reporters and tickets. So the heap of this library (Rust's; Node's own is apart) is one reserved
//! range, which the system is told to leave out of core files (`MADV_DONTDUMP`), and so are the stacks of its threads. The
//! host's own memory stays in them.
//!
//! Best effort: where the range cannot be reserved, or is used up, memory comes from elsewhere and all works the same.

#![expect(unsafe_code, reason = "an allocator, over memory that is reserved from the system; the bounds of a stack")]

use std::{
    alloc::{GlobalAlloc, Layout},
    mem::MaybeUninit,
    ptr::null_mut,
    sync::atomic::{AtomicBool, Ordering},
};

use mimalloc::MiMalloc;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

#[global_allocator]
static ALLOCATOR: Undumped = Undumped { is_prepared: AtomicBool::new(false) };

/// Addresses, not memory: only what is used takes any.
const RANGE: usize = 8 << 30;

/// mimalloc, within a range that is left out of core files.
struct Undumped {
    is_prepared: AtomicBool,
}

impl Undumped {
    /// Reserves the range, before the first allocation, since the allocator would find memory of its own for that.
    #[inline]
    fn prepare(&self) {
        if !self.is_prepared.load(Ordering::Relaxed) && !self.is_prepared.swap(true, Ordering::Relaxed) {
            reserve();
        }
    }
}

#[cold]
fn reserve() {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping, at an address that the system chooses.
    let Ok(start) = (unsafe { mmap_anonymous(null_mut(), RANGE, ProtFlags::empty(), flags) }) else { return };
    // SAFETY: all of it is the mapping that was just made, which nothing else knows. The allocator keeps it for as long
    // as the process lives, and makes the parts that it hands out accessible.
    unsafe {
        let hidden = madvise(start, RANGE, Advice::LinuxDontDump).is_ok();
        let mut arena = 0;
        let managed =
            hidden && libmimalloc_sys::mi_manage_os_memory_ex(start, RANGE, false, false, true, -1, false, &mut arena);
        if !managed {
            let _ = munmap(start, RANGE);
        }
    }
}

/// Leaves the stack of this thread, which must be one of ours, out of core files too.
pub(crate) fn hide_stack() {
    let (mut start, mut size) = (null_mut(), 0);
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: this thread's own attributes, which are read once they are there, and let go of.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return;
        }
        let known = libc::pthread_attr_getstack(attributes.as_ptr(), &mut start, &mut size) == 0;
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        if !known {
            return;
        }
    }
    // A kernel takes whole pages. What the first and last share with others is the C library's.
    let page = rustix::param::page_size();
    let skipped = start.addr().next_multiple_of(page) - start.addr();
    // SAFETY: it is the stack of this thread, and stays as it is.
    let _ = unsafe { madvise(start.wrapping_byte_add(skipped), (size - skipped) / page * page, Advice::LinuxDontDump) };
}

// SAFETY: mimalloc's own promises, handed on.
unsafe impl GlobalAlloc for Undumped {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.prepare();
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.prepare();
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { MiMalloc.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { MiMalloc.realloc(memory, layout, size) }
    }
}
