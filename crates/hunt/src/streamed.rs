//! Image archives that come as a stream and cannot be sought: standard input, the Docker daemon.
//!
//! Layers are inspected as they pass; which image they belong to is known only at the end.

use std::{
    collections::HashMap,
    io::{self, Read},
    sync::{Arc, atomic::Ordering},
};

use model::{Descriptor, Digest, Hasher, ImageConfig, ScanReport};
use registry::{RegistryError, ResolvedImage, StreamMember, StreamedImage};

use crate::{
    Run, ScanError,
    image::{Counted, Part, Parts, judge_and_record, parse_config, remember},
    read_layer::{LayerRead, read_layer},
};

/// Scans a `docker save` archive from a stream: one report an image in it.
pub(crate) fn scan_stream(
    name: &str,
    stream: &mut (dyn Read + Send),
    run: &Run<'_>,
) -> Result<Vec<ScanReport>, ScanError> {
    let context = run.context;
    context.progress.image_begins(name, 0);
    let mut layers: HashMap<String, (Descriptor, Arc<model::LayerRecord>)> = HashMap::new();
    let mut failure = None;
    let images =
        registry::read_docker_stream(stream, &mut |StreamMember::Layer { name: member, content }| match layer_of(
            name, content, run,
        ) {
            Ok((descriptor, record)) => {
                layers.insert(member.to_owned(), (descriptor, Arc::new(record)));
            }
            Err(error) => {
                failure.get_or_insert(error);
            }
        });
    if let Some(failure) = failure {
        return Err(failure);
    }
    if context.stop.load(Ordering::Relaxed) {
        return Err(ScanError::Stopped(name.to_owned()));
    }
    images?.into_iter().map(|image| judge(image, &layers, run)).collect()
}

/// Inspects one member. Its digest is known only once it was read, so the record gets it afterwards.
fn layer_of(
    name: &str,
    content: &mut (dyn Read + Send),
    run: &Run<'_>,
) -> Result<(Descriptor, model::LayerRecord), ScanError> {
    let mut hashed = Hashed { inner: content, hasher: Hasher::new(), bytes: 0 };
    let counted = Counted { inner: &mut hashed, reference: name, context: run.context, unreported: 0 };
    let LayerRead { mut record, blob_error } = read_layer(Digest::of(b""), 0, counted, run.context, &run.budget)?;
    if let Some(detail) = blob_error {
        return Err(RegistryError::Invalid { what: name.to_owned(), detail }.into());
    }
    (record.digest, record.packed_bytes) = (hashed.hasher.finish(), hashed.bytes);
    remember(&record, run.context)?;
    let descriptor = Descriptor {
        media_type: String::new(),
        digest: record.digest,
        size: record.packed_bytes,
        urls: Vec::new(),
        annotations: std::collections::BTreeMap::default(),
        platform: None,
    };
    Ok((descriptor, record))
}

fn judge(
    streamed: StreamedImage,
    layers: &HashMap<String, (Descriptor, Arc<model::LayerRecord>)>,
    run: &Run<'_>,
) -> Result<ScanReport, ScanError> {
    let mut parts = Vec::new();
    for name in &streamed.layer_names {
        let Some((descriptor, record)) = layers.get(name) else {
            let detail = format!("its manifest names the layer {name}, which is not in it");
            return Err(RegistryError::Invalid { what: streamed.reference, detail }.into());
        };
        let record = Some(Arc::clone(record));
        parts.push(Part { descriptor: descriptor.clone(), record, remembered: false, problem: None });
    }
    let config_digest = Digest::of(&streamed.config);
    let config_descriptor = Descriptor {
        media_type: String::new(),
        digest: config_digest,
        size: streamed.config.len() as u64,
        urls: Vec::new(),
        annotations: std::collections::BTreeMap::default(),
        platform: None,
    };
    let image = ResolvedImage {
        claimed: None,
        reference: streamed.reference,
        index: None,
        manifest: None,
        platform: None,
        config: config_descriptor,
        layers: parts.iter().map(|part| part.descriptor.clone()).collect(),
    };
    let config: ImageConfig = parse_config(&streamed.config, &image)?;
    judge_and_record(&Parts { image, config, config_digest, layers: parts }, run.context)
}

/// Hashes what passes.
struct Hashed<'a> {
    inner: &'a mut (dyn Read + Send),
    hasher: Hasher,
    bytes: u64,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }
}
