// SPDX-License-Identifier: Apache-2.0
// What goes in and out of the simulated program: console text, serial line, region marks, the request to stop.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "serial_line.hpp"
#include "types.hpp"

namespace tinyformer {

enum class StopReason : std::uint8_t {
    None,
    Exit,  // the program ended itself
    InstructionLimit,
    Fault,           // access or fetch outside the memories, write to flash, undefined instruction
    Lockup,          // waits for ever: a branch to itself or WFI, and no interrupt that could come
    InputExhausted,  // waits for input, and all of it is used up
    OutputMatched,   // printed the text that was asked to stop at
    Reset,           // asked for a system reset
    OutputLimit,     // printed more than is kept
    Interrupted,     // by whoever runs the simulation
};

class HostIo {
public:
    // `on_port`: by a serial port, rather than by semihosting or ITM.
    void print(char character, Cycle now, bool on_port = false) {
        if (output.size() >= output_limit) return stop(StopReason::OutputLimit, 1);
        output += character;
        line.printed(character, on_port, now);
        if (!stop_text.empty() && character == stop_text.back() && output.size() >= stop_text.size() &&
            output.compare(output.size() - stop_text.size(), stop_text.size(), stop_text) == 0) {
            stop(StopReason::OutputMatched, 0);
        }
    }
    // Only the first request counts.
    void stop(StopReason why, int status) {
        if (reason != StopReason::None) return;
        reason = why;
        exit_code = status;
    }

    std::string input;  // standard input of semihosting
    std::size_t consumed = 0;
    bool starved = false;  // asked for standard input, and none was given
    SerialLine line;
    std::string output;
    std::size_t output_limit = ~std::size_t{0};
    std::string stop_text;
    StopReason reason = StopReason::None;
    int exit_code = 0;
    std::atomic<bool> interrupted{false};  // set by another thread
};

}  // namespace tinyformer
