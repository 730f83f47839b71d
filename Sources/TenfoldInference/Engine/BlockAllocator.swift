// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Which pages of the key-value memory are in use, and by how many sequences.
///
/// Full pages of a sequence are named by their tokens and by the page before them, so that the names form a tree and
/// equal names mean equal beginnings, with no hash to collide. When the last sequence lets go of a named page it keeps
/// its contents until the memory is needed: the page least recently let go of is taken first.
struct BlockAllocator: Sendable {
  /// Tokens a page holds.
  static let blockLength = 32

  /// The name of a full page.
  struct Prefix: Hashable, Sendable {
    /// Whose page it is: pages are never shared between tenants.
    var tenant: String
    /// The serial number of the page before, 0 for a first page.
    var parent: UInt64
    /// The page's own tokens.
    var tokens: [Int32]
  }

  /// A named page and its serial number, which is never used again for another.
  struct Named: Sendable, Equatable {
    var block: UInt32
    var serial: UInt64
  }

  private struct Block {
    var references = 0
    var prefix: Prefix?
    var released: UInt64 = 0
  }

  private var blocks: [Block]
  /// Pages that nobody holds and whose contents nobody wants.
  private var empty: [UInt32]
  /// Pages that nobody holds but that may be wanted again, oldest first; an entry may be out of date.
  private var idle: [(block: UInt32, released: UInt64)] = []
  private var idleHead = 0
  private(set) var idleCount = 0
  private var namedBlocks: [Prefix: Named] = [:]
  private var lastSerial: UInt64 = 0
  private var clock: UInt64 = 0

  /// - Parameter count: How many pages there are.
  init(count: Int) {
    blocks = Array(repeating: Block(), count: count)
    empty = (0..<UInt32(count)).reversed()
  }

  /// All pages.
  var count: Int { blocks.count }
  /// Pages that can be had now.
  var freeCount: Int { empty.count + idleCount }
  /// Pages that sequences hold.
  var usedCount: Int { blocks.count - freeCount }

  /// Takes a page with one reference, or `nil` when all are held.
  mutating func allocate() -> UInt32? {
    if let block = empty.popLast() {
      blocks[Int(block)].references = 1
      return block
    }
    while idleHead < idle.count {
      let (block, released) = idle[idleHead]
      idleHead += 1
      guard blocks[Int(block)].references == 0, blocks[Int(block)].released == released,
        let prefix = blocks[Int(block)].prefix
      else { continue }
      compact()
      idleCount -= 1
      namedBlocks[prefix] = nil
      blocks[Int(block)] = Block(references: 1)
      return block
    }
    return nil
  }

  /// Lets go of a page.
  mutating func release(_ block: UInt32) {
    let index = Int(block)
    precondition(blocks[index].references > 0, "A key-value page was released more often than taken.")
    blocks[index].references -= 1
    guard blocks[index].references == 0 else { return }
    guard blocks[index].prefix != nil else {
      empty.append(block)
      return
    }
    clock += 1
    blocks[index].released = clock
    idle.append((block, clock))
    idleCount += 1
  }

  /// Names a page that is now full, unless another page already has the name.
  ///
  /// - Returns: The serial number of the page that has the name, for the names of pages after it.
  mutating func publish(_ block: UInt32, as prefix: Prefix) -> UInt64 {
    if let named = namedBlocks[prefix] { return named.serial }
    lastSerial += 1
    blocks[Int(block)].prefix = prefix
    namedBlocks[prefix] = Named(block: block, serial: lastSerial)
    return lastSerial
  }

  /// Takes a reference to the page of that name, if there is one.
  mutating func reuse(_ prefix: Prefix) -> Named? {
    guard let named = namedBlocks[prefix] else { return nil }
    if blocks[Int(named.block)].references == 0 { idleCount -= 1 }
    blocks[Int(named.block)].references += 1
    return named
  }

  private mutating func compact() {
    guard idleHead > 1024, idleHead * 2 > idle.count else { return }
    idle.removeFirst(idleHead)
    idleHead = 0
  }
}
