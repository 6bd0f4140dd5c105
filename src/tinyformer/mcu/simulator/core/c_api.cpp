// SPDX-License-Identifier: Apache-2.0
// The C interface that Python loads by ctypes. Errors travel as text: no exception crosses this boundary.
#include <cstring>
#include <exception>
#include <string>

#include "machine.hpp"

using tinyformer::Machine;

namespace {

struct Handle {
    explicit Handle(const tinyformer::Settings& settings) : machine(settings) {}
    Machine machine;
    std::string report;
};

}  // namespace

extern "C" {

// Creates a simulator from "name value" lines; null and a message in `error` if that fails.
Handle* simulator_create(const char* settings, char* error, std::size_t error_bytes) {
    try {
        return new Handle(tinyformer::Settings(settings));
    } catch (const std::exception& exception) {
        std::strncpy(error, exception.what(), error_bytes - 1);
        return nullptr;
    }
}

void simulator_destroy(Handle* handle) { delete handle; }

// Returns 0 if the range lies outside the memories.
int simulator_load(Handle* handle, std::uint32_t address, const std::uint8_t* data, std::size_t size) {
    return handle->machine.load(address, data, size) ? 1 : 0;
}

void simulator_add_symbol(Handle* handle, std::uint32_t address, std::uint32_t size, const char* name, int is_layer) {
    handle->machine.add_symbol({address, size, name, is_layer != 0});
}

void simulator_watch_stack(Handle* handle, std::uint32_t low, std::uint32_t high) {
    handle->machine.watch_stack(low, high);
}

// `channel`: 0 standard input, 1 text to stop at.
void simulator_set_text(Handle* handle, int channel, const char* data, std::size_t size) {
    auto& io = handle->machine.io();
    (channel == 0 ? io.input : io.stop_text).assign(data, size);
}

// The host sends a text on the serial line when the program has printed `expect`, or, if that is empty, gone quiet.
void simulator_add_step(Handle* handle, const char* expect, std::size_t expect_size, const char* send,
                        std::size_t send_size) {
    handle->machine.io().line.add({std::string(expect, expect_size), std::string(send, send_size)});
}

// The serial line is a file descriptor.
void simulator_attach(Handle* handle, int terminal) { handle->machine.io().line.attach(terminal); }

void simulator_limit_output(Handle* handle, std::size_t bytes) { handle->machine.io().output_limit = bytes; }

// Ends a run; to be called from another thread.
void simulator_interrupt(Handle* handle) { handle->machine.io().interrupted = true; }

// Runs the program; returns 0 and a message in `error` for a failure of the simulator itself.
int simulator_run(Handle* handle, std::uint64_t instruction_limit, char* error, std::size_t error_bytes) {
    try {
        handle->machine.run(instruction_limit);
        handle->report = handle->machine.report();
        return 1;
    } catch (const std::exception& exception) {
        std::strncpy(error, exception.what(), error_bytes - 1);
        return 0;
    }
}

const char* simulator_report(Handle* handle) { return handle->report.c_str(); }

const char* simulator_output(Handle* handle, std::size_t* size) {
    *size = handle->machine.io().output.size();
    return handle->machine.io().output.data();
}

}  // extern "C"
