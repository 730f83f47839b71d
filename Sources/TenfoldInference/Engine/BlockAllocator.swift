// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Which pages of the key-value memory are in use, and by how many sequences.
///
/// Full pages of a sequence are named by their tokens and by the page before them, so that the names form a tree and
/// equal names mean equal beginnings, with no hash to collide. When the last sequence lets go of a named page it keeps
/// its contents until the memory is needed, or until more than ``idleLimit`` are kept so: the page least recently let
/// go of goes first.
struct BlockAllocator: Sendable {
  /// Tokens a page holds.
  static let blockLength = 32

  /// Whose page it is: pages are never shared between tenants.
  struct Scope: Hashable, Sendable {
    var tenant: TenantID
    /// The request, where only its own answers may share the page; `nil` for all of the tenant's.
    var group: Int?
  }

  /// The name of a full page.
  struct Prefix: Hashable, Sendable {
    var scope: Scope
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

  /// The most pages that are kept while nobody holds them.
  let idleLimit: Int
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

  /// - Parameters:
  ///   - count: How many pages there are.
  ///   - idleLimit: The most pages that are kept while nobody holds them; `nil` for all.
  init(count: Int, idleLimit: Int? = nil) {
    self.idleLimit = max(0, min(count, idleLimit ?? count))
    blocks = Array(repeating: Block(), count: count)
    empty = (0..<UInt32(count)).reversed()
  }

  /// All pages.
  var count: Int { blocks.count }
  /// Pages that can be had now.
  var freeCount: Int { empty.count + idleCount }
  /// Pages that sequences hold.
  var usedCount: Int { blocks.count - freeCount }

  /// How long the list of pages kept is, entries out of date included; for tests.
  var idleEntryCount: Int { idle.count }

  /// Takes a page with one reference, or `nil` when all are held.
  mutating func allocate() -> UInt32? {
    guard let block = empty.popLast() ?? forgetOldest() else { return nil }
    blocks[Int(block)].references = 1
    return block
  }

  /// Takes the name from the page that was let go of first; the page is in no list afterwards.
  private mutating func forgetOldest() -> UInt32? {
    while idleHead < idle.count {
      let (block, released) = idle[idleHead]
      idleHead += 1
      guard blocks[Int(block)].references == 0, blocks[Int(block)].released == released,
        let prefix = blocks[Int(block)].prefix
      else { continue }
      compact()
      idleCount -= 1
      namedBlocks[prefix] = nil
      blocks[Int(block)] = Block()
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
    dropOutdated()
    if idleCount > idleLimit, let oldest = forgetOldest() { empty.append(oldest) }
  }

  /// Names a page that is now full.
  ///
  /// Where another page has the name already, that one takes this one's place, as the two hold the same bits.
  ///
  /// - Parameters:
  ///   - block: The page; the caller's reference to it is given up if another takes its place.
  ///   - prefix: The name.
  /// - Returns: The page to go on with, and the serial number for the names of pages after it.
  mutating func publish(_ block: UInt32, as prefix: Prefix) -> Named {
    if let named = reuse(prefix) {
      release(block)
      return named
    }
    lastSerial += 1
    blocks[Int(block)].prefix = prefix
    let named = Named(block: block, serial: lastSerial)
    namedBlocks[prefix] = named
    return named
  }

  /// How many references a page has.
  func references(to block: UInt32) -> Int { blocks[Int(block)].references }

  /// Takes a reference to the page of that name, if there is one.
  mutating func reuse(_ prefix: Prefix) -> Named? {
    guard let named = namedBlocks[prefix] else { return nil }
    if blocks[Int(named.block)].references == 0 { idleCount -= 1 }
    blocks[Int(named.block)].references += 1
    return named
  }

  /// Forgets entries of pages that were taken again since, once there are many: traffic that repeats itself adds one at
  /// each release.
  private mutating func dropOutdated() {
    guard idle.count > 2 * blocks.count + 1_024 else { return }
    idle.removeAll { entry in
      let block = blocks[Int(entry.block)]
      return block.references > 0 || block.released != entry.released || block.prefix == nil
    }
    idleHead = 0
  }

  private mutating func compact() {
    guard idleHead > 1024, idleHead * 2 > idle.count else { return }
    idle.removeFirst(idleHead)
    idleHead = 0
  }
}
