//! The program as its user meets it: started as a process, with a data directory of its own.

mod crash;
mod load;
mod options;
mod package;
mod program;
mod reindex;
mod serve;
mod terminology;
mod validate;
