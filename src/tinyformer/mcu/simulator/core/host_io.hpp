// What goes in and out of the simulated program: console text, serial input, region marks, the request to stop.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "types.hpp"

namespace tinyformer {

enum class StopReason : std::uint8_t {
    None,
    Exit,  // the program ended itself
    InstructionLimit,
    Fault,           // access or fetch outside the memories, write to flash, undefined instruction
    Lockup,          // waits for ever: a branch to itself or WFI, and no interrupt that could come
    InputExhausted,  // polls a serial port whose input is used up
    OutputMatched,   // printed the text that was asked to stop at
    Reset,           // asked for a system reset
};

class HostIo {
public:
    void print(char character) {
        output += character;
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
    std::string serial;  // input of the serial ports
    std::size_t received = 0;
    std::string output;
    std::string stop_text;
    StopReason reason = StopReason::None;
    int exit_code = 0;
};

}  // namespace tinyformer
