//! A certificate authority of the test's own, and PEM files for both sides.

use std::path::PathBuf;
use std::sync::Arc;

use gateway::tls::{ServerFiles, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::soon;

pub(crate) struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    /// The authority's own certificate.
    pub(crate) ca: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, certificate.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        Self { folder, issuer, ca }
    }

    /// A pair for `names`, in files called after `label`.
    pub(crate) fn pair(&self, label: &str, names: &[&str]) -> ServerFiles {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = ServerFiles {
            cert: self.folder.path().join(format!("{label}.pem")),
            key: self.folder.path().join(format!("{label}.key")),
            client_ca: None,
        };
        std::fs::write(&files.cert, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    pub(crate) fn server(&self, names: &[&str]) -> Arc<ServerTls> {
        Arc::new(ServerTls::load(&self.pair("server", names)).unwrap())
    }

    /// Shakes hands on a connection, offering HTTP/1.1 alone.
    pub(crate) async fn accept(&self, names: &[&str], stream: TcpStream) -> TlsStream<TcpStream> {
        let (chain, key) = read_pair(&self.pair("raw", names));
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        let mut config = config.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        soon(TlsAcceptor::from(Arc::new(config)).accept(stream))
            .await
            .unwrap()
    }
}

pub(crate) fn read_pair(
    files: &ServerFiles,
) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_file_iter(&files.cert).unwrap();
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    (chain.map(Result::unwrap).collect(), key)
}
