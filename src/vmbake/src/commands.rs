//! The commands: a module each, and the table of them. The command line, its completions, manual pages and reference, and what
//! `cargo xtask` forwards, are made from the table.

pub mod add;
pub mod bake;
pub mod boot;
pub mod completions;
pub mod fetch;
pub mod init;
pub mod inspect;
pub mod lock;
pub mod pin;
pub mod plan;
pub mod seed;
pub mod serve;
pub mod store;
pub mod verify;
pub mod why;

use clap::Subcommand;

macro_rules! commands {
    ($($(#[doc = $about:literal])+ $command:ident($args:ty) => $run:path;)+) => {
        /// The commands of users.
        #[derive(Debug, Subcommand)]
        pub enum Command {
            $($(#[doc = $about])+ $command($args),)+
        }

        impl Command {
            /// Runs it.
            pub fn run(self) -> anyhow::Result<()> {
                match self {
                    $(Self::$command(args) => $run(&args),)+
                }
            }
        }
    };
}

// in the order of the help
commands! {
    /// Create a project in the current directory, with a recipe of your own
    Init(init::Args) => init::run;
    /// Add Debian packages to a recipe and its locks
    Add(add::Args) => add::run;
    /// Remove Debian packages from a recipe and its locks
    Remove(add::RemoveArgs) => add::remove;
    /// Lock the newest packages of the archive, and show what changes
    Upgrade(add::UpgradeArgs) => add::upgrade;
    /// Bake an image: fetch what is pinned, lay it out, and write the artifacts
    Bake(bake::Args) => bake::run;
    /// Show what a bake would do, its digest, and what is already in the store, without doing anything
    Plan(plan::Args) => plan::run;
    /// Fetch everything that an image is made of into the store
    Fetch(fetch::Args) => fetch::run;
    /// Boot a disk image in QEMU, wait for expectations, and report where the time went
    Boot(Box<boot::Args>) => boot::run;
    /// Resolve the Debian packages of a kind into its lock, or check that the lock is up to date
    Lock(lock::Args) => lock::run;
    /// Pin another version of a component in every manifest that has it
    Pin(pin::Args) => pin::run;
    /// List the contents of an artifact, or show one path of it
    Inspect(inspect::Args) => inspect::run;
    /// Show which pin, package or recipe file put a path into an artifact
    Why(why::Args) => why::run;
    /// Check an artifact against its list of files, byte by byte
    Verify(verify::Args) => verify::run;
    /// Create the volume that configures an instance at first boot
    Seed(seed::Args) => seed::run;
    /// Serve an output directory as a Podplane mirror
    Serve(serve::Args) => serve::run;
    /// Verify or clean the store
    Store(store::Args) => store::run;
    /// Print shell completions
    Completions(completions::Args) => completions::run;
}
