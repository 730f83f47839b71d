// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TenfoldStorage

/// A process that was started, and what it has written so far.
public final class ChildProcess {
  private struct Text {
    var bytes = Data()
    var lineCount = 0
    private var chunks: AsyncStream<Data>.AsyncIterator

    /// Reads a pipe on a thread of its own and closes it at its end.
    init(_ pipe: Pipe) throws {
      let (chunks, continuation) = AsyncStream<Data>.makeStream()
      let handle = pipe.fileHandleForReading
      try DedicatedThread.start(name: "child-output") {
        while let chunk = nextChunk(from: handle.fileDescriptor) { continuation.yield(chunk) }
        try? handle.close()
        continuation.finish()
      }
      self.chunks = chunks.makeAsyncIterator()
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Waits for more; `false` once there is no more.
    mutating func read() async -> Bool {
      guard let chunk = await chunks.next(isolation: #isolation) else { return false }
      bytes += chunk
      lineCount += chunk.count { $0 == 0x0A }
      return true
    }
  }

  /// Whether a process has ended, and which others shall end with it.
  private final class Life: Sendable {
    private struct State {
      /// Until it has ended: then its number may be another's.
      var process: Int32?
      var hasEnded = false
      var companions: [Life] = []
    }
    private let state = Mutex(State())

    func begin(_ process: Int32) { state.withLock { if !$0.hasEnded { $0.process = process } } }

    func end() {
      let companions = state.withLock { state in
        (state.process, state.hasEnded) = (nil, true)
        return state.companions
      }
      for companion in companions { companion.send(signal: SIGKILL) }
    }

    func takeDown(_ other: Life) {
      let hasEnded = state.withLock { state in
        state.companions.append(other)
        return state.hasEnded
      }
      if hasEnded { other.send(signal: SIGKILL) }
    }

    func send(signal: Int32) {
      state.withLock { state in
        if let process = state.process { kill(process, signal) }
      }
    }
  }

  private let process: Process
  private let life = Life()
  private var output: Text
  private var errors: Text
  private let exit: AsyncStream<Void>

  init(_ process: Process) throws {
    self.process = process
    let (outputPipe, errorPipe) = (Pipe(), Pipe())
    process.standardOutput = outputPipe
    process.standardError = errorPipe
    let (exit, exited) = AsyncStream<Void>.makeStream()
    self.exit = exit
    process.terminationHandler = { [life] _ in
      life.end()
      exited.finish()
    }
    try process.run()
    life.begin(process.processIdentifier)
    output = try Text(outputPipe)
    errors = try Text(errorPipe)
  }

  /// Waits until its output has so many lines, or ends.
  public func reaches(lines count: Int) async {
    while output.lineCount < count, await output.read() {}
  }

  /// Waits until its error output holds a text, or ends.
  public func complains(_ text: String) async {
    while !errors.text.contains(text), await errors.read() {}
  }

  /// Kills another process when this one has ended: for one that would wait for this one's work for ever.
  public func takesDown(_ other: ChildProcess) { life.takeDown(other.life) }

  public func send(signal: Int32) { life.send(signal: signal) }

  public var isRunning: Bool { process.isRunning }

  /// Waits for its end, without holding a thread meanwhile.
  public func ended() async -> ChildProgram.Ending {
    while await output.read() {}
    while await errors.read() {}
    for await _ in exit {}
    return ChildProgram.Ending(
      status: process.terminationStatus,
      wasKilled: process.terminationReason == .uncaughtSignal,
      output: output.text,
      errors: errors.text
    )
  }
}

/// What can be read next; `nil` at the end. Foundation's own reading traps where a signal interrupts it.
private func nextChunk(from descriptor: Int32) -> Data? {
  var bytes = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = unsafe read(descriptor, &bytes, bytes.count)
    if count < 0 && errno == EINTR { continue }
    return count > 0 ? Data(bytes[..<count]) : nil
  }
}
