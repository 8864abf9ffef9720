//! The support archive: what helps somebody else to see what is wrong. Every text in it passes the
//! same filter, which knows all secrets of the configuration.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use mcpo_config::Config;
use mcpo_http::{JournalQuery, Remote, RemoteError, Told};
use mcpo_mcp::redact::Redactor;
use mcpo_monitor::diagnosis::Diagnosis;
use mcpo_upstream::supervisor::SupervisorOptions;

use crate::{check, render};

/// What one question to a running mcpo may take.
const ASK_TIME_MAX: Duration = Duration::from_secs(5);
/// A file in the archive is cut here: a journal of long entries is below.
const FILE_BYTES_MAX: usize = 16 << 20;
/// Entries of the journal that are packed: all that mcpo keeps.
const ENTRIES_MAX: u64 = 4096;

const README: &str = "\
What mcpo doctor found, for whoever helps. Keys, headers, variables and the secret parts of
addresses are replaced by ***; names of servers and tools, commands without their arguments, hosts
and the last words of servers are in it. Look through it before you pass it on.

diagnosis.json      what is wrong, why, and what to do
configuration.txt   what the configuration comes to, and its warnings
system.txt          this mcpo and this machine
running/            what the running mcpo answers, where one answers at the configured port
";

/// One file of the archive.
struct Packed {
    name: String,
    text: String,
}

/// Writes the archive, and gives what to say of it.
///
/// # Errors
/// It cannot be written; it is there already.
pub(super) async fn write(
    path: &Path,
    config: &Config,
    diagnosis: &Diagnosis,
) -> io::Result<String> {
    // Made first: who cannot write finds out before anything is gathered.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut files = vec![
        Packed::new("README.txt", README.to_owned()),
        Packed::new("diagnosis.json", super::as_json(diagnosis)),
        Packed::new("configuration.txt", configuration(config)),
        Packed::new("system.txt", system()),
    ];
    let running = running(config).await;
    let said = match &running {
        Ok(answers) => format!("with what the running mcpo answers ({} files)", answers.len()),
        Err(reason) => format!("without a running mcpo: {reason}"),
    };
    files.extend(running.unwrap_or_default());
    let redactors = redactors(config);
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for Packed { name, text } in &files {
        let text = redactors.iter().fold(text.clone(), |text, one| one.redact(&text).into_owned());
        append(&mut archive, name, text.as_bytes(), diagnosis.timestamp as u64)?;
    }
    archive.into_inner()?.finish()?.flush()?;
    Ok(format!("wrote {} {said}\n", path.display()))
}

/// `made` is in seconds since 1970.
fn append(
    archive: &mut tar::Builder<impl io::Write>,
    name: &str,
    text: &[u8],
    made: u64,
) -> io::Result<()> {
    let text = &text[..text.len().min(FILE_BYTES_MAX)];
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o600);
    header.set_mtime(made);
    header.set_cksum();
    archive.append_data(&mut header, Path::new("mcpo-support").join(name), text)
}

fn configuration(config: &Config) -> String {
    let styled = format!("{}{}", check::summary(config), render::all(&config.warnings));
    anstream::adapter::strip_str(&styled).to_string()
}

fn system() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_else(|error| error.to_string());
    let memory = read("/proc/meminfo").lines().take(3).collect::<Vec<_>>().join("\n");
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "mcpo {}\n\n{}\n{}\nprocessors {processors}\n{memory}\n\n{}\n",
        env!("CARGO_PKG_VERSION"),
        read("/proc/version").trim(),
        read("/etc/os-release"),
        read("/proc/self/limits"),
    )
}

/// What a mcpo answers that listens where the configuration says; why there is nothing.
async fn running(config: &Config) -> Result<Vec<Packed>, String> {
    let host = match config.listen.host.as_str() {
        "0.0.0.0" | "::" | "localhost" => "127.0.0.1".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    let url = format!("http://{host}:{}{}", config.listen.port, config.site.root_path);
    let remote = Remote::new(&url, config.access.api_key.as_ref());
    let remote = remote.map_err(|error| error.to_string())?;
    let servers = remote.servers(ASK_TIME_MAX).await.map_err(|error| error.to_string())?;
    let query = JournalQuery { limit: Some(ENTRIES_MAX), ..JournalQuery::default() };
    // Whatever is missing is seen by its absence.
    let rest = [
        ("journal.json", remote.journal(query, ASK_TIME_MAX).await),
        ("metrics.json", remote.metrics(ASK_TIME_MAX).await),
        ("alerts.json", remote.alerts(ASK_TIME_MAX).await),
        ("diagnostics.json", remote.diagnostics(ASK_TIME_MAX).await),
    ];
    let mut files = vec![packed("servers.json", &servers)];
    let answered = |(name, told): (_, Result<Told, RemoteError>)| Some(packed(name, &told.ok()?));
    files.extend(rest.into_iter().filter_map(answered));
    Ok(files)
}

fn packed(name: &str, told: &Told) -> Packed {
    Packed::new(&format!("running/{name}"), String::from_utf8_lossy(&told.body).into_owned())
}

/// Of each server its own, and those of mcpo itself.
fn redactors(config: &Config) -> Vec<Redactor> {
    let options = SupervisorOptions::default();
    let servers = config.servers.iter().map(|server| Redactor::of(&options.endpoint(server)));
    let hooks = &config.monitoring.alerts.webhooks;
    let otlp = config.monitoring.otlp.iter();
    let ours = config
        .access
        .api_key
        .iter()
        .chain(hooks.iter().map(|hook| &hook.url))
        .chain(hooks.iter().flat_map(|hook| &hook.headers).map(|(_, value)| value))
        .chain(otlp.clone().flat_map(|otlp| &otlp.headers).map(|(_, value)| value))
        .chain(otlp.flat_map(|otlp| otlp.traces_url.iter().chain(&otlp.metrics_url)));
    let ours = ours.map(|secret| secret.expose().to_owned());
    std::iter::once(Redactor::of_values(ours)).chain(servers).collect()
}

// === impl Packed ===

impl Packed {
    fn new(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), text }
    }
}
