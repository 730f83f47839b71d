// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a stage spends its time on: the four places where a bottleneck can be.
public enum StageResource: String, Hashable, Sendable, Codable, CaseIterable {
  /// Arithmetic on the CPU.
  case compute
  /// Moving bytes between memory and the CPU.
  case memory
  /// Waiting for disks.
  case inputOutput
  /// Waiting for another machine or service.
  case external
}
