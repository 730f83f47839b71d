// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldKernels
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The state that a pool and its threads share.
///
/// One word, `cursor`, holds the region's number (32 bits), its count and the next index (16 bits each). A thread takes a
/// piece by raising the index with compare-and-swap, so it can never touch a region that has ended: the region ends when
/// all pieces taken are done. `body` is written before `cursor` and read after a piece was taken.
// Sendable: `body` is ordered by `cursor` (release, acquire), `started` and `region` belong to whoever set `busy`, and
// `mutex` guards sleeping.
@safe
final class WorkerTeam: @unchecked Sendable {
  typealias Piece = UnsafePointer<(Int) -> Void>

  static let maximumCount = 0xFFFF

  private let workers: Int
  private let cursor = Atomic<UInt64>(0)
  private let completed = Atomic<Int>(0)
  private let busy = Atomic<Bool>(false)
  private let stopped = Atomic<Bool>(false)
  private let sleepers = Atomic<Int>(0)
  private let callerSleeps = Atomic<Bool>(false)
  private var started = false
  private var region: UInt32 = 0
  @unsafe private var body: Piece?
  @unsafe private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  @unsafe private let work: UnsafeMutablePointer<pthread_cond_t>
  @unsafe private let done: UnsafeMutablePointer<pthread_cond_t>

  /// Turns of the spinning loop before a thread sleeps; a pause takes 40 to 140 cycles on x86.
  private static let spins = 1_000

  init(workers: Int) {
    self.workers = workers
    unsafe mutex = .allocate(capacity: 1)
    unsafe work = .allocate(capacity: 1)
    unsafe done = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(work, nil)
    unsafe pthread_cond_init(done, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(done)
    unsafe pthread_cond_destroy(work)
    unsafe pthread_mutex_destroy(mutex)
    unsafe done.deallocate()
    unsafe work.deallocate()
    unsafe mutex.deallocate()
  }

  /// Takes the team for one region; false when it is taken.
  func acquire() -> Bool {
    guard !busy.exchange(true, ordering: .acquiring) else { return false }
    if !started {
      started = true
      for _ in 0..<workers { startThread() }
    }
    return true
  }

  func release() { busy.store(false, ordering: .releasing) }

  /// Runs one region; the team must have been acquired.
  func run(_ count: Int, _ piece: Piece) {
    unsafe body = unsafe piece
    completed.store(0, ordering: .relaxed)
    region &+= 1
    cursor.store(UInt64(region) << 32 | UInt64(count) << 16, ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
      unsafe pthread_mutex_lock(mutex)
      unsafe pthread_cond_broadcast(work)
      unsafe pthread_mutex_unlock(mutex)
    }
    _ = takePieces()
    var turns = 0
    while completed.load(ordering: .acquiring) < count {
      turns += 1
      if turns < Self.spins {
        tenfold_relax()
      } else {
        sleepUntilDone(count)
      }
    }
  }

  private func sleepUntilDone(_ count: Int) {
    unsafe pthread_mutex_lock(mutex)
    callerSleeps.store(true, ordering: .sequentiallyConsistent)
    while completed.load(ordering: .sequentiallyConsistent) < count { unsafe pthread_cond_wait(done, mutex) }
    callerSleeps.store(false, ordering: .sequentiallyConsistent)
    unsafe pthread_mutex_unlock(mutex)
  }

  /// Takes and runs pieces of one region until there are none; false when there was none.
  ///
  /// They are reported done together: counting them one by one would have all threads write to the same line all the time.
  /// Until then the region can't end.
  private func takePieces() -> Bool {
    guard let first = takePiece() else { return false }
    let taken = runPieces(from: first.index)
    let finished = completed.add(taken, ordering: .sequentiallyConsistent).newValue
    if finished == first.count, callerSleeps.load(ordering: .sequentiallyConsistent) {
      unsafe pthread_mutex_lock(mutex)
      unsafe pthread_cond_signal(done)
      unsafe pthread_mutex_unlock(mutex)
    }
    return true
  }

  /// Runs a piece and those that can still be taken after it; how many they were.
  ///
  /// The reference to the body is counted once for all, and let go of before they are reported done: hence a call of its own.
  @inline(never)
  private func runPieces(from first: Int) -> Int {
    guard let body = unsafe body?.pointee else { preconditionFailure("a region without a body has pieces") }
    var taken = 1
    body(first)
    while let next = takePiece() {
      body(next.index)
      taken += 1
    }
    return taken
  }

  /// Takes the next piece of the region at hand.
  private func takePiece() -> (index: Int, count: Int)? {
    var word = cursor.load(ordering: .acquiring)
    while true {
      let count = Int(word >> 16 & 0xFFFF)
      let index = Int(word & 0xFFFF)
      guard index < count else { return nil }
      let (exchanged, original) = cursor.weakCompareExchange(
        expected: word,
        desired: word + 1,
        ordering: .acquiringAndReleasing
      )
      if exchanged { return (index, count) }
      word = original
    }
  }

  private var hasWork: Bool {
    let word = cursor.load(ordering: .sequentiallyConsistent)
    return word & 0xFFFF < word >> 16 & 0xFFFF
  }

  /// The life of a thread.
  private func serve() {
    var idle = 0
    while !stopped.load(ordering: .acquiring) {
      if takePieces() {
        idle = 0
        continue
      }
      idle += 1
      guard idle >= Self.spins else {
        tenfold_relax()
        continue
      }
      idle = 0
      unsafe pthread_mutex_lock(mutex)
      sleepers.add(1, ordering: .sequentiallyConsistent)
      while !hasWork, !stopped.load(ordering: .sequentiallyConsistent) {
        unsafe pthread_cond_wait(work, mutex)
      }
      sleepers.subtract(1, ordering: .sequentiallyConsistent)
      unsafe pthread_mutex_unlock(mutex)
    }
  }

  /// Lets the threads end; each holds the team until it has.
  func stop() {
    stopped.store(true, ordering: .sequentiallyConsistent)
    unsafe pthread_mutex_lock(mutex)
    unsafe pthread_cond_broadcast(work)
    unsafe pthread_mutex_unlock(mutex)
  }

  /// Starts one thread; where the system refuses, the region simply has one thread fewer.
  private func startThread() {
    let context = unsafe Unmanaged.passRetained(self)
    #if canImport(Darwin)
    var thread: pthread_t?
    let status = unsafe pthread_create(&thread, nil, { unsafe WorkerTeam.main($0) }, context.toOpaque())
    if status == 0, let thread = unsafe thread { unsafe pthread_detach(thread) }
    #else
    var thread = pthread_t()
    let status = unsafe pthread_create(&thread, nil, { unsafe WorkerTeam.main($0) }, context.toOpaque())
    if status == 0 { pthread_detach(thread) }
    #endif
    if status != 0 { unsafe context.release() }
  }

  private static func main(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    unsafe Unmanaged<WorkerTeam>.fromOpaque(context).takeRetainedValue().serve()
    return nil
  }
}
