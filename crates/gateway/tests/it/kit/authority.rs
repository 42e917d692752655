//! A certificate authority of the test's own, and PEM files for both sides.

use std::path::PathBuf;
use std::sync::Arc;

use gateway::tls::{ServerFiles, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

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
}
