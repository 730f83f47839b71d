// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension BytePairVocabulary {
  /// The tokens as a file spells them, in the characters that stand for bytes.
  struct Spelled {
    /// The spellings, one after the other.
    let bytes: [UInt8]
    /// Where each begins; one more than there are tokens.
    let starts: [Int]

    /// Reads the spellings.
    ///
    /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidTokenizer``.
    init(_ tokens: GGUFStringArray) throws(ModelError) {
      var bytes: [UInt8] = []
      var starts: [Int] = [0]
      bytes.reserveCapacity(tokens.byteCount)
      starts.reserveCapacity(tokens.count + 1)
      tokens.visit { source, range in
        // The range lies inside the array's checked bytes.
        unsafe source.extracting(range).withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        starts.append(bytes.count)
      }
      guard starts.count == tokens.count + 1 else {
        throw ModelError(
          .invalidTokenizer,
          "The vocabulary's strings are inconsistent; fetch the file again."
        )
      }
      self.bytes = bytes
      self.starts = starts
    }

    /// The place of the first space after the first byte, or the end.
    static func space(_ source: RawSpan, _ range: Range<Int>) -> Int {
      var place = range.lowerBound + 1
      while place < range.upperBound {
        let count = range.upperBound - place
        let block = ASCIIBlock(ByteNumber.load(source, place, count: count))
        let passed = block.leading(without: UInt8(ascii: " "))
        if passed < min(count, 8) { return place + passed }
        place += 8
      }
      return range.upperBound
    }

    /// Finds tokens by their spelling.
    func index() -> TokenIndex { TokenIndex(bytes: bytes, starts: starts) { _ in true } }
  }

  /// The ids of what a file spells.
  struct SpelledIDs: Sendable {
    let index: TokenIndex

    /// The token of each single byte, or -1.
    var byteIDs: [Int32] {
      ByteLevelAlphabet.scalars.map { scalar in
        var bytes: [UInt8] = []
        UTF8Scanner.append(scalar, to: &bytes)
        return index.id(bytes.span, 0..<bytes.count)
      }
    }

    /// Rules whose tokens are searched for at a time.
    private static let groupSize = 32

    /// Reads rules: two tokens with a space between them, the first to apply first.
    ///
    /// - Parameter merges: The rules.
    /// - Returns: The rules in order.
    /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidTokenizer``.
    func rules(_ merges: GGUFStringArray) throws(ModelError) -> [PairTable.Rule] {
      var rules: [PairTable.Rule] = []
      rules.reserveCapacity(merges.count)
      var merged: Int32 = -1
      var splits: [Int] = []
      var searches: [TokenIndex.Search] = []
      try merges.visit(groupsOf: Self.groupSize) { (source, ranges) throws(ModelError) in
        splits.removeAll(keepingCapacity: true)
        searches.removeAll(keepingCapacity: true)
        for (number, range) in ranges.enumerated() {
          let split = Spelled.space(source, range)
          guard split + 1 < range.upperBound else {
            throw ModelError(
              .invalidTokenizer,
              "Merge \(rules.count + number) is not two tokens; fetch the model file again."
            )
          }
          splits.append(split)
          searches.append(index.search(source, range.lowerBound..<split))
          searches.append(index.search(source, split + 1..<range.upperBound))
        }
        index.look(&searches)
        for (number, range) in ranges.enumerated() {
          let (first, second) = (range.lowerBound..<splits[number], splits[number] + 1..<range.upperBound)
          let left = index.idOfToken(searches[2 * number], source, first)
          let right = index.idOfToken(searches[2 * number + 1], source, second)
          // Nearly always the tokens are in the order of the merges.
          merged += 1
          if index.hidesTokens || !index.stands(Int(merged), for: source, first, second) {
            merged = id(source, first, second)
          }
          let rank = UInt32(truncatingIfNeeded: rules.count)
          guard left >= 0, right >= 0, merged >= 0 else {
            throw ModelError(
              .invalidTokenizer,
              "Merge \(rank) names a token that is not in the vocabulary; use another model file."
            )
          }
          rules.append(PairTable.Rule(left: left, right: right, rank: rank, result: merged))
        }
      }
      return rules
    }

    /// The token spelled like two ranges one after the other, or -1.
    private func id(_ source: RawSpan, _ first: Range<Int>, _ second: Range<Int>) -> Int32 {
      var bytes: [UInt8] = []
      for range in [first, second] {
        // The ranges lie inside the array's checked bytes.
        unsafe source.extracting(range).withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
      }
      return index.id(bytes.span, 0..<bytes.count)
    }
  }
}
