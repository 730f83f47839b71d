// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The part of a mask that all states at the same place of a call have in common, whatever the call is inside of.
///
/// In a string that is a member of an object in a list, nearly all tokens go on with the string, and neither the list nor
/// the place in it matters; what a token means that ends the string depends on them. So the walk through the vocabulary,
/// which takes a millisecond and more, is taken once for each place of a grammar instead of once for each state, and only
/// the few ways out are looked at again (Dong et al. 2024 cut masks at the same places, ahead of time).
struct MaskOutline {
  /// What has to be equal: each place with the calls between it and the innermost one that is around all places.
  struct Key: Hashable {
    /// Whether the places have no call in common.
    var isWholeText: Bool
    var chains: [[Int32]]
    /// The state itself where it has so many places that their chains are not written out.
    var state: Int32 = -1
  }

  /// A node of the vocabulary's trie at whose byte that call returns.
  struct Exit {
    var node: Int32
    /// The bytes before it.
    var bytes: [UInt8]
  }

  /// The tokens that stay inside of the call.
  var mask: TokenMask
  var exits: [Exit] = []

  var byteCount: Int {
    exits.reduce(mask.byteCount) { $0 + MemoryLayout<Exit>.stride + $1.bytes.count }
  }
}
