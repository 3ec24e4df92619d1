//! stub
#![allow(missing_docs)]
#[derive(Clone,Debug,PartialEq)]
pub struct Region(Vec<u8>);
impl Region{ pub fn decode(b:&[u8])->crate::Result<Self>{ if b.is_empty(){return Err(crate::Error::new(crate::ErrorKind::Corrupt,"empty region"));} Ok(Self(b.to_vec()))} pub fn encode(&self)->Vec<u8>{self.0.clone()} }
