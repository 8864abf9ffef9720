//! A surface that runs, with everything behind it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use mcpo_config::{
    Access, Endpoint, Era, Http, HttpKind, Limits, Load, Mode, Monitoring, Otlp, Secret, Server,
    ServerName, Site,
};
use mcpo_core::catalog::CatalogPolicy;
use mcpo_core::life::LifePolicy;
use mcpo_core::load::ServerLoad;
use mcpo_http::{Content, ServeOptions, Surface, SurfaceOptions, serve};
use mcpo_monitor::monitor::{Monitor, MonitorOptions};
use mcpo_policy::pipeline::{Pipeline, PipelineOptions};
use mcpo_testkit::{HttpUpstream, Reply, Request, Script};
use mcpo_upstream::directory::{Directory, Snapshot};
use mcpo_upstream::supervisor::{Recovery, Supervisor, SupervisorOptions};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// After this a wait has failed; generous, since test machines stall.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The key where there is one.
pub(crate) const KEY: &str = "sesame";

/// How a scene is set.
pub(crate) struct Setting {
    pub(crate) mode: Mode,
    /// Whether there is a key, and whether everything needs it.
    pub(crate) key: bool,
    pub(crate) strict: bool,
    pub(crate) root_path: &'static str,
    pub(crate) path_prefix: &'static str,
    pub(crate) measures: bool,
    pub(crate) otlp: Option<Otlp>,
    pub(crate) recovery: Recovery,
    pub(crate) load: Load,
    pub(crate) pipeline: PipelineOptions,
}

/// A surface that runs, with everything behind it.
pub(crate) struct Scene {
    pub(crate) address: SocketAddr,
    pub(crate) directory: Arc<Directory>,
    pub(crate) surface: Arc<Surface>,
    pub(crate) monitor: Monitor,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) serving: JoinSet<()>,
    _keeping: JoinSet<()>,
    _wanted: watch::Sender<Arc<Vec<Server>>>,
}

/// An answer that was taken without a socket.
pub(crate) type Asked = http::Response<Bytes>;

pub(crate) fn server(name: &str, url: &str) -> Server {
    let url = url.parse().unwrap();
    Server {
        name: ServerName::new(name).unwrap(),
        endpoint: Endpoint::Http(Http { url, headers: Vec::new(), kind: HttpKind::Streamable }),
        era: Era::Legacy,
        timeout: None,
        pool: mcpo_config::PoolSizes::STDIO,
        catalog: CatalogPolicy::default(),
        load: ServerLoad::default(),
    }
}

/// An upstream with a tool `echo` that takes an `a`.
pub(crate) fn echo() -> Script {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    Script::new("scripted").tool(json!({"name": "echo", "inputSchema": schema}))
}

pub(crate) async fn one(script: Script) -> (HttpUpstream, Scene) {
    let upstream = HttpUpstream::start(script).await.unwrap();
    let scene = Scene::new(Mode::Many, &[("one", &upstream.url())]).await;
    scene.ready(1).await;
    (upstream, scene)
}

/// The body of an answer that ends.
pub(crate) async fn whole(answer: http::Response<Content>) -> Asked {
    let (parts, body) = answer.into_parts();
    Asked::from_parts(parts, timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes())
}

pub(crate) fn json_of(asked: &Asked) -> Value {
    serde_json::from_slice(asked.body()).unwrap_or_else(|error| panic!("{error}: {asked:?}"))
}

// === impl Setting ===

impl Default for Setting {
    fn default() -> Self {
        Self {
            mode: Mode::Many,
            key: false,
            strict: false,
            root_path: "",
            path_prefix: "/",
            measures: true,
            otlp: None,
            recovery: Recovery::default(),
            load: Load::default(),
            pipeline: PipelineOptions::default(),
        }
    }
}

impl Setting {
    fn surface_options(&self) -> SurfaceOptions {
        SurfaceOptions {
            access: Access {
                api_key: self.key.then(|| Secret::new(KEY)),
                strict: self.strict,
                cors_origins: vec!["*".to_owned()],
            },
            site: Site {
                name: None,
                description: None,
                version: None,
                root_path: self.root_path.to_owned(),
                path_prefix: self.path_prefix.to_owned(),
            },
            limits: Limits { body_bytes_max: 1 << 20, ..Limits::default() },
            load: self.load.clone(),
            mode: self.mode,
        }
    }

    fn supervisor_options(&self) -> SupervisorOptions {
        SupervisorOptions {
            handshake_timeout: None,
            close_grace: Duration::from_secs(1),
            launcher: None,
            life: LifePolicy { recovery: self.recovery.enabled, ..LifePolicy::default() },
            drain_timeout: Duration::from_secs(1),
            recovery: self.recovery,
            dialler: None,
        }
    }

    /// Raises the curtain.
    pub(crate) async fn start(self, servers: Vec<Server>) -> Scene {
        let directory = Directory::new();
        let pipeline = Pipeline::new(self.pipeline, directory.journal());
        let (wanted, wanted_rx) = watch::channel(Arc::new(servers));
        let monitor = Monitor::new(
            MonitorOptions {
                monitoring: Monitoring {
                    enabled: self.measures,
                    otlp: self.otlp.clone(),
                    ..Monitoring::default()
                },
                port: 0,
                servers: wanted_rx.clone(),
                pipeline: pipeline.gauge(),
            },
            directory.clone(),
        );
        let surface =
            Surface::new(self.surface_options(), directory.clone(), pipeline, monitor.clone());
        let surface = Arc::new(surface);
        let supervisor = Supervisor::new(self.supervisor_options(), directory.clone());
        let mut keeping = JoinSet::new();
        keeping.spawn(supervisor.run(wanted_rx));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = watch::channel(false);
        let mut serving = JoinSet::new();
        serving.spawn(serve(
            vec![listener],
            surface.clone(),
            ServeOptions { connections_max: Load::MAX_CONNECTIONS, grace: PATIENCE },
            async move {
                let _told = stopped.wait_for(|stop| *stop).await;
            },
        ));
        Scene {
            address,
            directory,
            surface,
            monitor,
            stop,
            serving,
            _keeping: keeping,
            _wanted: wanted,
        }
    }
}

// === impl Scene ===

impl Scene {
    pub(crate) async fn new(mode: Mode, upstreams: &[(&str, &str)]) -> Self {
        let servers = upstreams.iter().map(|(name, url)| server(name, url)).collect();
        Self::with(mode, servers, Recovery::default()).await
    }

    pub(crate) async fn with(mode: Mode, servers: Vec<Server>, recovery: Recovery) -> Self {
        Setting { mode, recovery, ..Setting::default() }.start(servers).await
    }

    pub(crate) async fn until(&self, holds: impl Fn(&Snapshot) -> bool) {
        let mut generations = self.directory.generations();
        let seen = async {
            while !holds(&self.directory.load()) {
                generations.changed().await.unwrap();
            }
        };
        timeout(PATIENCE, seen).await.expect("the snapshot never came to be so");
    }

    pub(crate) async fn ready(&self, count: usize) {
        self.until(|snapshot| {
            snapshot.upstreams().iter().filter(|upstream| upstream.view.is_ready()).count() == count
        })
        .await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Request::get(&self.url(path)).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        Request::post(&self.url(path)).json(body).send().await.unwrap()
    }

    /// Asks without a socket, as somebody on this machine who says `localhost`.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Asked {
        whole(self.answer(method, path, headers, "").await).await
    }

    /// The same with a body, whose answer may have no end.
    pub(crate) async fn answer(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> http::Response<Content> {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.surface.handle(request(method, path, headers, body), here).await
    }
}

/// A request that names `localhost`, unless its headers name another host.
pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> http::Request<Full<Bytes>> {
    let mut request = http::Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::from(body.to_owned())).unwrap()
}
