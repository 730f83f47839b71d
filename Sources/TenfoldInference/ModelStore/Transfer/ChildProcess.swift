// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Runs another program to its end, on a thread that may block.
enum ChildProcess {
  /// How a program ended.
  struct Outcome: Sendable {
    /// The exit status as in a shell: 127 for no such program, 128 + the number for a signal; `nil` where somebody else in
    /// this process was told, as a host that ignores `SIGCHLD` or waits for any child.
    let status: Int?
    /// The last part of what it wrote to standard error.
    let errorText: String
  }

  /// How much of the error text is kept.
  private static let errorLimit = 8 << 10

  #if os(iOS) || os(tvOS) || os(watchOS) || os(visionOS)
  /// Not possible on this system.
  static func run(
    _ command: [String],
    environment: [String: String],
    folder: String,
    _ signal: CancellationSignal,
    tick: () -> Void
  ) throws -> Outcome {
    throw ModelError(.unsupported, "this system doesn't let an app start \(command.first ?? "a program")")
  }
  #else
  /// Runs a program found in `PATH`, with nothing on standard input and its standard output dropped.
  ///
  /// - Parameters:
  ///   - command: The program and its arguments.
  ///   - environment: All of its environment.
  ///   - folder: Its working folder.
  ///   - signal: Ends the program when it is cancelled.
  ///   - tick: Called several times a second while the program runs.
  /// - Returns: How it ended.
  /// - Throws: `CancellationError`, or ``ModelError`` when the program can't be started.
  static func run(
    _ command: [String],
    environment: [String: String],
    folder: String,
    _ signal: CancellationSignal,
    tick: () -> Void
  ) throws -> Outcome {
    try signal.check()
    var ends: [CInt] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else {
      throw StoreFile.error("make a pipe for", command.first ?? "", errno)
    }
    let (readEnd, writeEnd) = (ends[0], ends[1])
    defer { close(readEnd) }
    _ = fcntl(readEnd, F_SETFD, FD_CLOEXEC)
    _ = fcntl(writeEnd, F_SETFD, FD_CLOEXEC)
    _ = fcntl(readEnd, F_SETFL, O_NONBLOCK)
    let pid: pid_t
    do {
      defer { close(writeEnd) }
      pid = try spawn(command, environment, folder, errorsTo: writeEnd)
    }
    var errors: [UInt8] = []
    var killed = 0
    while true {
      var waiting = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
      let ready = unsafe poll(&waiting, 1, 100)
      let ended = ready > 0 ? drain(readEnd, into: &errors) : false
      var status: CInt = 0
      let reaped = unsafe waitpid(pid, &status, WNOHANG)
      if reaped == pid || (reaped < 0 && errno != EINTR) {
        _ = drain(readEnd, into: &errors)
        try signal.check()
        // Where it was waited for elsewhere its number may be another program's by now.
        let code = status & 0x7f == 0 ? Int((status >> 8) & 0xff) : 128 + Int(status & 0x7f)
        return Outcome(status: reaped == pid ? code : nil, errorText: String(decoding: errors, as: UTF8.self))
      }
      if signal.isCancelled {
        // Politely at first; after two seconds for good.
        _ = kill(pid, killed < 20 ? SIGTERM : SIGKILL)
        killed += 1
      }
      if ended || signal.isCancelled { usleep(100_000) }
      tick()
    }
  }

  private static func spawn(
    _ command: [String],
    _ environment: [String: String],
    _ folder: String,
    errorsTo writeEnd: CInt
  ) throws -> pid_t {
    // posix_spawn can't change the folder on every system; the shell replaces itself by the program.
    let program = "/bin/sh"
    let words = [program, "-c", "cd \"$0\" && exec \"$@\"", folder] + command
    #if canImport(Darwin)
    var actions: posix_spawn_file_actions_t?
    #else
    var actions = unsafe posix_spawn_file_actions_t()
    #endif
    guard unsafe posix_spawn_file_actions_init(&actions) == 0 else {
      throw StoreFile.error("start", program, errno)
    }
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, writeEnd, 2)
    // strdup'ed strings live until the end of this function; posix_spawnp copies what it needs.
    var arguments: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) } + [nil]
    var variables: [UnsafeMutablePointer<CChar>?] =
      unsafe environment.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
    defer {
      for index in unsafe arguments.indices { unsafe free(arguments[index]) }
      for index in unsafe variables.indices { unsafe free(variables[index]) }
    }
    var pid: pid_t = 0
    let failure = unsafe posix_spawn(&pid, program, &actions, nil, &arguments, &variables)
    guard failure == 0 else { throw StoreFile.error("start", program, failure) }
    return pid
  }

  /// Reads what is there and keeps the last part; returns whether the other end is closed.
  private static func drain(_ descriptor: CInt, into errors: inout [UInt8]) -> Bool {
    while true {
      var count = 0
      let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 4096) { buffer, filled in
        count = unsafe read(descriptor, buffer.baseAddress, buffer.count)
        filled = max(0, count)
      }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return count == 0 }
      errors += bytes
      if errors.count > errorLimit { errors.removeFirst(errors.count - errorLimit) }
    }
  }
  #endif
}
