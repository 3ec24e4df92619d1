//! stub
#![allow(missing_docs)]
#[derive(Clone,Copy,Debug,PartialEq,Eq,Hash,serde::Serialize,serde::Deserialize)]
pub struct Timespan{begin:i64,end:i64}
impl Timespan{ pub fn intersection(self, o:Self)->Self{ Self{begin:self.begin.max(o.begin), end:self.end.min(o.end)} } 
 pub fn from_raw(begin:i64,end:i64)->Self{Self{begin,end}} pub fn to_raw(self)->(i64,i64){(self.begin,self.end)} }
