// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

package import CTenfoldKernels

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// One set of kernels: `portable`, and those of the processor family such as `avx2`, `avx512vnni`, `neon` or `neoni8mm`.
///
/// The best set that the CPU runs is chosen once per process; the environment variable `TENFOLD_ISA` forces another.
///
/// ```swift
/// print(InstructionSet.current.explanation)
/// for set in InstructionSet.available { print(set) }
/// ```
public struct InstructionSet: Hashable, Sendable, CustomStringConvertible {
  /// The name, as `TENFOLD_ISA` takes it.
  public let name: String
  /// What the CPU must have.
  public let requirement: String
  /// Whether this CPU has it.
  public let isAvailable: Bool
  /// The place in the list of compiled backends.
  private let index: Int

  private init(index: Int) {
    let backend = unsafe tenfold_backend_at(index)
    self.name = unsafe String(cString: backend.pointee.name)
    self.requirement = unsafe String(cString: backend.pointee.requirement)
    self.isAvailable = unsafe backend.pointee.supported()
    self.index = index
  }

  /// Every set compiled into this build, best first.
  public static let compiled: [InstructionSet] = (0..<tenfold_backend_count()).map {
    InstructionSet(index: $0)
  }

  /// The sets that this CPU runs, best first; the last is always `portable`.
  public static let available: [InstructionSet] = compiled.filter(\.isAvailable)

  /// The set that this process uses unless a call names another.
  ///
  /// An impossible `TENFOLD_ISA` falls back to the best set here and makes ``selected()`` throw.
  public static let current: InstructionSet = (try? selection.get()) ?? best

  private static let best: InstructionSet = available.first ?? InstructionSet(index: compiled.count - 1)

  private static let selection: Result<InstructionSet, KernelError> = Result { () throws(KernelError) in
    try detect(override: environmentOverride)
  }

  private static var environmentOverride: String? {
    unsafe getenv("TENFOLD_ISA").map { unsafe String(cString: $0) }
  }

  /// Chooses the set for this process, once.
  ///
  /// - Returns: The set that `TENFOLD_ISA` names, or the best one.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/unsupportedInstructionSet``.
  public static func selected() throws(KernelError) -> InstructionSet { try selection.get() }

  /// The set itself, if this CPU runs it, or that of this process.
  package static func resolve(_ set: InstructionSet?) throws(KernelError) -> InstructionSet {
    guard let set else { return try selected() }
    guard set.isAvailable else {
      throw KernelError(
        .unsupportedInstructionSet,
        "this CPU lacks \(set.requirement), so '\(set)' cannot run: choose one of InstructionSet.available"
      )
    }
    return set
  }

  /// Chooses a set by name, or the best one.
  ///
  /// - Parameter override: A name such as `avx2`; `nil`, empty or `auto` for the best set of this CPU.
  /// - Returns: A set that this CPU runs.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/unsupportedInstructionSet`` for an unknown name or one that
  ///   this CPU lacks.
  public static func detect(override: String? = nil) throws(KernelError) -> InstructionSet {
    guard let override, !override.isEmpty, override != "auto" else { return best }
    let names = available.map(\.name).joined(separator: ", ")
    guard let set = compiled.first(where: { $0.name == override }) else {
      throw KernelError(
        .unsupportedInstructionSet,
        "unknown instruction set '\(override)': set TENFOLD_ISA to one of \(names), or unset it"
      )
    }
    guard set.isAvailable else {
      throw KernelError(
        .unsupportedInstructionSet,
        "this CPU lacks \(set.requirement), so '\(override)' cannot run: set TENFOLD_ISA to one of \(names)"
      )
    }
    return set
  }

  /// The name.
  public var description: String { name }

  /// Which set is used and why, for people.
  public var explanation: String {
    let names = Self.available.map(\.name).joined(separator: ", ")
    let why = Self.environmentOverride.map { "TENFOLD_ISA=\($0)" } ?? "the best this CPU runs"
    return "\(name) (needs \(requirement)): \(why), of \(names)"
  }

  /// The kernels.
  package var backend: tenfold_backend { unsafe tenfold_backend_at(index).pointee }
}
