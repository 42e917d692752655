//! TLS of both sides: what is trusted, what is offered, and certificates from files.
//!
//! TLS 1.2 and 1.3 by rustls with aws-lc. Certificates of servers and clients are always verified;
//! there is no switch to turn that off. Keys stay in rustls and are never shown.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// What is wrong with a certificate, a key or a pair of them.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read or is not PEM.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A pair that rustls refuses, or a certificate that cannot be trusted.
    #[error("{path}: {source}")]
    Refused {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// rustls refuses its own parameters.
    #[error(transparent)]
    Setup(#[from] rustls::Error),
    /// Client certificates cannot be verified against this authority.
    #[error("{path}: {why}")]
    ClientCa {
        /// The authority's file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// TLS towards providers: the system's roots, Mozilla's, and those of the PEM files `extra_ca`.
/// Build it once, share it between the cores.
///
/// # Errors
/// A file of `extra_ca` that cannot be read or holds no certificate. Unreadable system roots are no
/// error: Mozilla's are there.
pub fn client_config(extra_ca: &[PathBuf]) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for path in extra_ca {
        add_roots(&mut roots, path)?;
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols();
    Ok(Arc::new(config))
}

/// The files of a listener's TLS.
#[derive(Clone, Debug)]
pub struct ServerFiles {
    /// The certificate chain, leaf first, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM (PKCS#8, PKCS#1 or SEC1).
    pub key: PathBuf,
    /// The authority that client certificates must come from, PEM. Where it is given, a client without
    /// one is refused.
    pub client_ca: Option<PathBuf>,
}

/// A listener's TLS, which can be replaced while it serves. Connections that are open keep theirs.
#[derive(Debug)]
pub struct ServerTls {
    current: ArcSwap<ServerConfig>,
}

impl ServerTls {
    /// Reads and checks the files.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(files: &ServerFiles) -> Result<Self, TlsError> {
        Ok(Self {
            current: ArcSwap::from(server_config(files)?),
        })
    }

    /// Reads the files again and serves new connections with them.
    ///
    /// # Errors
    /// As [`ServerTls::load`]; then what was served before goes on.
    pub fn reload(&self, files: &ServerFiles) -> Result<(), TlsError> {
        self.current.store(server_config(files)?);
        Ok(())
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// What a listener that speaks HTTP/1.1 alone serves new connections with.
    #[must_use]
    pub fn http1(&self) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&self.current());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

fn server_config(files: &ServerFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&files.cert)?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| pem_error(&files.key, &error))?;
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            add_roots(&mut roots, path)?;
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| TlsError::ClientCa {
                path: path.clone(),
                why: error.to_string(),
            })?)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|source| TlsError::Refused {
            path: files.cert.clone(),
            source,
        })?;
    config.alpn_protocols = protocols();
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn protocols() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}

fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| TlsError::Refused {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| pem_error(path, &error))?;
    if found.is_empty() {
        return Err(pem_error(path, &pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn pem_error(path: &Path, error: &pem::Error) -> TlsError {
    let why = if matches!(error, pem::Error::NoItemsFound) {
        "no such item in PEM form is in it".to_owned()
    } else {
        error.to_string()
    };
    TlsError::File {
        path: path.to_owned(),
        why,
    }
}
