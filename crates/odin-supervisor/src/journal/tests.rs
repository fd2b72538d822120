//! The whole way, with a program that stands for journalctl.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

/// Reads entries from the file `journal` beside it, three lines each, as
/// journalctl does: from the one with the cursor on, or the first after it, and
/// with `--follow` waits for more. Entries are numbered in `i=`, in decimal.
/// Whoever reads a field of the entry named in `bomb` is killed, and what was
/// not yet written is lost.
const PROGRAM: &str = r#"#!/bin/sh -e
cd "$(dirname "$0")"
wanted=0
for argument; do case $argument in
  --cursor=*) cursor=${argument#*=} ;;
  --after-cursor=*) cursor=${argument#*=} after=1 ;;
  --follow) follow=-f ;;
  --output=json) outlines=1 ;;
  --lines=1) one=1 ;;
esac; done
if [ -n "$cursor" ]; then
  wanted=$(echo "$cursor" | sed 's/.*i=\([0-9]*\).*/\1/')
fi
from=$(awk -v wanted="$((wanted + ${after:-0}))" '
  !found && /^__CURSOR=/ && match($0, /i=[0-9]+;/) && substr($0, RSTART + 2, RLENGTH - 3) + 0 >= wanted + 0 { found = NR }
  END { print found ? found : NR + 1 }' journal)
if [ -n "$outlines" ]; then
  tail -n "+$from" journal | sed -n 's/^__CURSOR=\(.*\)/{"__CURSOR":"\1","_UID":"7"}/p'
  exit
fi
if [ -e bomb ]; then
  bomb=$(grep -n "i=$(cat bomb);" journal | cut -d: -f1)
  if [ -n "$bomb" ] && [ "$from" -le "$bomb" ] && { [ -z "$one" ] || [ "$from" = "$bomb" ]; }; then
    kill -KILL $$
  fi
fi
if [ -n "$one" ]; then
  if [ -z "$cursor" ]; then tail -n 3 journal; exit; fi
  tail -n "+$from" journal | head -n 3
  exit
fi
exec tail -n "+$from" $follow journal
"#;

struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let bench = Self { directory };
        fs::write(bench.path("journal"), "").expect("a file");
        bench.install();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn install(&self) {
        let scratch = self.path("journalctl.new");
        fs::write(&scratch, PROGRAM).expect("a file");
        fs::set_permissions(&scratch, fs::Permissions::from_mode(0o755)).expect("mode");
        fs::rename(scratch, self.path("journalctl")).expect("a rename");
    }

    /// Adds an entry to the journal and gives its line.
    fn log(&self, number: u32, message: &str) -> String {
        use std::io::Write;
        let entry = format!("__CURSOR={}\nMESSAGE={message}\n\n", cursor(number));
        let mut journal = fs::OpenOptions::new().append(true).open(self.path("journal")).expect("a file");
        journal.write_all(entry.as_bytes()).expect("written");
        format!("{{\"__CURSOR\":\"{}\",\"MESSAGE\":\"{message}\"}}\n", cursor(number))
    }

    fn start(&self) -> Running {
        self.start_with(8 << 20)
    }

    fn start_with(&self, file_bytes: u64) -> Running {
        let options =
            Options { program: self.path("journalctl"), directory: self.path("out"), file_bytes, files: 3 };
        let sink = open(&options).expect("open");
        let (end, ended) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let source = Source::new(&options.program);
            run(sink, &source, async { drop(ended.await) }).await
        });
        Running { end, task }
    }

    fn written(&self) -> String {
        fs::read_to_string(self.path("out/current.jsonl")).unwrap_or_default()
    }

    async fn wait_for(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.written() != text {
            assert!(Instant::now() < deadline, "{:.2000}\nis not\n{text:.2000}", self.written());
            sleep(Duration::from_millis(20)).await;
        }
    }
}

struct Running {
    end: oneshot::Sender<()>,
    task: JoinHandle<Result<()>>,
}

impl Running {
    async fn stop(self) {
        self.end.send(()).expect("it runs");
        self.task.await.expect("no panic").expect("a clean end");
    }

    /// Ends it as a kill does: nothing is saved.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.expect_err("aborted").is_cancelled());
    }
}

fn cursor(number: u32) -> String {
    format!("s=1;i={number};b=1;m={number};t=1;x=1")
}

/// What is written of an entry that nobody can read.
fn passed_over(number: u32) -> String {
    let cursor = cursor(number);
    format!("{{\"_UID\":\"7\",\"__CURSOR\":\"{cursor}\",\"__ODIN_CUT\":\"{PASSED_OVER}\"}}\n")
}

#[tokio::test]
async fn entries_arrive_and_a_restart_loses_and_doubles_none() {
    let bench = Bench::new();
    let mut all = bench.log(1, "one");
    all += &bench.log(2, &"y".repeat(200 << 10));
    let running = bench.start();
    bench.wait_for(&all).await;
    all += &bench.log(3, "while it runs");
    bench.wait_for(&all).await;
    running.stop().await;
    all += &bench.log(4, "while it does not");
    let running = bench.start();
    bench.wait_for(&all).await;
    running.kill().await;
    all += &bench.log(5, "after a kill");
    let running = bench.start();
    bench.wait_for(&all).await;
    running.stop().await;
}

#[tokio::test]
async fn a_line_cut_by_a_kill_is_ended_and_written_again() {
    let bench = Bench::new();
    let mut all = bench.log(1, "one");
    let running = bench.start();
    bench.wait_for(&all).await;
    running.kill().await;
    let second = bench.log(2, "two");
    let cut = &second[..20];
    fs::write(bench.path("out/current.jsonl"), format!("{all}{cut}")).expect("a file");
    all += &format!("{cut}\n{second}");
    let running = bench.start();
    bench.wait_for(&all).await;
    running.stop().await;
}

#[tokio::test]
async fn a_journal_vacuumed_past_the_place_is_gone_on_with() {
    let bench = Bench::new();
    let mut all = bench.log(1, "one");
    let running = bench.start();
    bench.wait_for(&all).await;
    running.stop().await;
    fs::write(bench.path("journal"), "").expect("a file");
    all += &bench.log(9, "later");
    let running = bench.start();
    bench.wait_for(&all).await;
    running.stop().await;
}

#[tokio::test]
async fn a_journal_that_ends_before_the_place_is_read_from_its_begin() {
    let bench = Bench::new();
    let mut all = bench.log(7, "before the clock was set back");
    let running = bench.start();
    bench.wait_for(&all).await;
    running.stop().await;
    fs::write(bench.path("journal"), "").expect("a file");
    all += &bench.log(1, "after it");
    let running = bench.start();
    bench.wait_for(&all).await;
    running.stop().await;
}

#[tokio::test]
async fn a_reader_that_is_missing_or_ends_is_started_again() {
    let bench = Bench::new();
    fs::remove_file(bench.path("journalctl")).expect("removed");
    let mut all = bench.log(1, "one");
    let running = bench.start();
    assert!(!running.task.is_finished());
    bench.install();
    bench.wait_for(&all).await;
    // A reader that shows what there is and ends.
    let ending = PROGRAM.replace("follow=-f", "follow=");
    fs::write(bench.path("ending"), ending).expect("a file");
    fs::set_permissions(bench.path("ending"), fs::Permissions::from_mode(0o755)).expect("mode");
    running.stop().await;
    fs::rename(bench.path("ending"), bench.path("journalctl")).expect("a rename");
    let running = bench.start();
    all += &bench.log(2, "two");
    bench.wait_for(&all).await;
    all += &bench.log(3, "three");
    bench.wait_for(&all).await;
    running.stop().await;
}

#[tokio::test]
async fn an_entry_that_kills_its_reader_is_passed_over_and_no_other_is() {
    let bench = Bench::new();
    let mut all = bench.log(1, "one");
    let running = bench.start();
    bench.wait_for(&all).await;
    running.stop().await;
    fs::write(bench.path("bomb"), "4").expect("a file");
    all += &bench.log(2, "two");
    all += &bench.log(3, "three");
    drop(bench.log(4, "what nobody can read"));
    all += &passed_over(4);
    all += &bench.log(5, "five");
    let running = bench.start();
    bench.wait_for(&all).await;
    running.stop().await;
    // After a restart the entry is not come back to.
    all += &bench.log(6, "six");
    let running = bench.start();
    bench.wait_for(&all).await;
    running.stop().await;
}

#[tokio::test]
async fn a_journal_that_begins_before_such_an_entry_is_read_from_its_begin() {
    let bench = Bench::new();
    fs::write(bench.path("bomb"), "2").expect("a file");
    let mut all = bench.log(1, "one");
    drop(bench.log(2, "what nobody can read"));
    all += &passed_over(2);
    all += &bench.log(3, "three");
    let running = bench.start();
    bench.wait_for(&all).await;
    running.stop().await;
}

#[tokio::test]
async fn a_disk_that_refuses_is_waited_for() {
    let bench = Bench::new();
    let first = bench.log(1, &"1".repeat(150));
    // Room for the first line, or for the two after it.
    let running = bench.start_with(250);
    bench.wait_for(&first).await;
    // Neither makes room for the other: a directory that holds something is not
    // replaced.
    fs::create_dir(bench.path("out/current.jsonl.1")).expect("a directory");
    fs::create_dir_all(bench.path("out/current.jsonl.2/full")).expect("directories");
    let second = bench.log(2, "two");
    let third = bench.log(3, "three");
    sleep(RETRY_WRITE).await;
    assert_eq!(bench.written(), first);
    fs::remove_dir_all(bench.path("out/current.jsonl.2")).expect("removed");
    fs::remove_dir(bench.path("out/current.jsonl.1")).expect("removed");
    bench.wait_for(&format!("{second}{third}")).await;
    assert_eq!(fs::read_to_string(bench.path("out/current.jsonl.1")).expect("text"), first);
    running.stop().await;
}
