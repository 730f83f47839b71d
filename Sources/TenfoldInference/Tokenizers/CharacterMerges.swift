// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What byte-level merge rules do with whole characters: which symbol a character's bytes become, and which neighbours may
/// be merged at all.
///
/// Such rules merge bytes, but text is made of characters, and nearly all rules that reach across two of them merge whole
/// ones. Where that holds, merging may start from characters, and where moreover no rule joins the two, what is before and
/// what is after are merged apart. A run of ideographs, which has no spaces to cut it at, falls into words of one to a few
/// symbols.
///
/// That this gives the same tokens rests on two properties of the rules, and where they don't hold merging starts from
/// bytes. A place between two characters is *unsettled* if a rule merges there what isn't whole characters. Between
/// settled places a character's bytes meet no others until they are one symbol; and as every rule for that symbol comes
/// after the rules that make it, it makes no difference that the symbol is there from the beginning.
struct CharacterMerges: Sendable {
  /// The symbol of each character below U+10000, or -1.
  private let symbols: [Int32]
  private let otherSymbols: IntegerTable
  private let unsettled: UnsettledPlaces
  private let neighbours: Neighbours

  init(symbols: [Int32], otherSymbols: IntegerTable, unsettled: UnsettledPlaces, neighbours: Neighbours) {
    self.symbols = symbols
    self.otherSymbols = otherSymbols
    self.unsettled = unsettled
    self.neighbours = neighbours
  }

  /// The symbol that the bytes of a character from U+0080 on become by themselves, or -1 if they don't become one.
  @inline(__always)
  func symbol(of character: UInt32) -> Int32 {
    character < 0x10000 ? symbols[Int(character)] : otherSymbols[UInt64(character)]
  }

  /// Whether a rule may merge parts of characters where the text has `place`.
  @inline(__always)
  func isUnsettled(_ place: Place) -> Bool { unsettled.contains(place) }

  /// Whether no rule merges anything across a place.
  @inline(__always)
  func isCut(_ place: Place) -> Bool {
    !neighbours.mayContain(place.lastCharacter, place.firstCharacter) && !unsettled.contains(place)
  }

  /// A place in a text: what is before it and what is after it.
  struct Place {
    var lastCharacter: UInt32
    var firstCharacter: UInt32
    var lastByte: UInt8
    var firstByte: UInt8
  }
}
