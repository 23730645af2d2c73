// The layout that the programs and the analyser share; `src/record.rs` says the same in Rust. A test compares sizes and places.
#ifndef RECORD_H
#define RECORD_H

#include "core.h"

enum kind { KIND_CALL = 1, KIND_EXEC = 2, KIND_FORK = 3, KIND_EXIT = 4, KIND_RING = 5 };

// Pieces of bytes that follow the head, in this order.
enum piece { PIECE_FIRST, PIECE_FIRST_FOLDER, PIECE_SECOND, PIECE_SECOND_FOLDER, PIECE_FILE, PIECES };

// Which of `parts` an `interest` asks for.
enum how {
    HOW_NONE,
    HOW_TEXT,     // a string; a relative one with the folder it is relative to
    HOW_NAME,     // a string that is no path
    HOW_ADDRESS,  // a socket address, its length in the next argument
    HOW_BYTES,    // a buffer, its length in `result`
    HOW_VECTOR,   // the first buffer of a vector
    HOW_MESSAGE,  // the address in a `struct msghdr`
    HOW_ACCEPTED, // a socket address, its length behind a pointer in the next argument
    HOW_STRUCT,   // the first 24 bytes of a struct
    HOW_MOUNT,    // a string, and in the piece of the file the string of the next argument
};

// When a call is recorded.
enum when {
    WHEN_NEVER,
    WHEN_ALWAYS,
    WHEN_DONE,          // the result is not negative
    WHEN_MOVED,         // the result is more than 0, and the file is no pipe and no socket
    WHEN_FAILED,        // the result is negative
    WHEN_STANDARD,      // the second argument is 0, 1 or 2, and that file is a socket
    WHEN_STANDARD_FCNTL,// fcntl with F_DUPFD*, that came out as 0, 1 or 2
    WHEN_EXECUTABLE,    // the third argument has PROT_EXEC
    WHEN_BOTH,          // the third argument has PROT_EXEC and PROT_WRITE
    WHEN_NEW_SPACES,    // the first argument has a CLONE_NEW* flag, and the result is not 0
    WHEN_NEW_SPACES3,   // the same of the struct behind the first argument
    WHEN_ADDRESSED,     // there is an address in argument 4
    WHEN_PRCTL,         // prctl with an option of PRCTL_*
    WHEN_NAMED,         // there is an address in the message of argument 1
    WHEN_IOCTL,         // ioctl that pushes bytes into a terminal
};

// FOLDER_*: which folder a relative path is relative to.
#define FOLDER_NONE 0
#define FOLDER_CURRENT 0xff
// FILE_*: which file descriptor is told about.
#define FILE_NONE 0
#define FILE_RESULT 0xff

// What is wanted of one system call. Arguments are counted from 0; `folder` and `file` are such a number plus 1.
struct interest {
    u8 when;
    u8 how[2];
    u8 argument[2];
    u8 folder[2];
    u8 file;
    u16 native; // for 32-bit calls: the 64-bit number it is treated as
    u16 spare;
};

// Whom the programs are for.
struct target {
    u64 cgroup;        // its id
    u32 stop_nameless; // whether a program without a name waits until it was looked at
    u32 cgroup_depth;  // of the cgroup, plus 1; learnt
    u32 process_depth; // of its process namespace, plus 1; learnt
    u32 spare;
};

#define FLAG_COMPAT 1   // a 32-bit call
#define FLAG_X32 2      // a call of the x32 interface
#define FLAG_CUT 4      // a piece was longer than what is kept
#define FLAG_NAMELESS 8 // no link leads to the program's file
#define FLAG_UPPER 16   // the program's file is in the upper layer of an overlay
#define FLAG_MEMORY 32  // the program's file system is in memory
#define FLAG_THREAD 64  // the new task is a thread
#define FLAG_STOPPED 128 // the process was stopped until the analyser has its program
#define FLAG_FAULT 256  // a piece could not be read

struct head {
    u64 at;           // CLOCK_BOOTTIME, ns
    u32 kind;
    u32 number;       // of the system call
    u32 host;         // process, in the host's numbers
    u32 process;      // process, as the sample counts
    u32 spare_number;
    u32 parent;       // of a new program
    u32 user;         // effective user id of a new program, the host's number
    u32 flags;
    s64 result;
    u64 arguments[6];
    u64 file;         // names an open file while it is open; 0 for none
    u32 file_mode;    // `st_mode` of it
    u32 file_family;  // address family of a socket
    u16 pieces[PIECES];
    u16 spare;
    u32 used;         // bytes that follow
};
// src/record.rs says so too.
_Static_assert(sizeof(struct head) == 128, "head");
_Static_assert(sizeof(struct target) == 24, "target");
_Static_assert(sizeof(struct interest) == 12, "interest");
_Static_assert(__builtin_offsetof(struct head, pieces) == 112, "head.pieces");
_Static_assert(__builtin_offsetof(struct head, used) == 124, "head.used");

#define TEXT_MAX 1024
#define BYTES_MAX 256
#define WALK_MAX 1024
#define ARGUMENTS_MAX 8192
#define ENVIRONMENT_MAX 4096
#define DATA_MAX 16384
#define SLACK ARGUMENTS_MAX

struct record {
    struct head head;
    u8 data[DATA_MAX + SLACK];
};

// Counters, one of each a CPU.
enum counter { COUNTER_SEEN, COUNTER_LOST, COUNTER_FAULT, COUNTERS };

#endif
