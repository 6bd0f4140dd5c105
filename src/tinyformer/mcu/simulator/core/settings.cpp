// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <sstream>

namespace tinyformer {

Settings::Settings(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const auto space = line.find(' ');
        if (space != std::string::npos) values_[line.substr(0, space)] = line.substr(space + 1);
    }
}

const std::string& Settings::text(const std::string& name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) throw std::runtime_error("setting '" + name + "' is missing");
    return found->second;
}

std::int64_t Settings::get(const std::string& name) const { return std::stoll(text(name), nullptr, 0); }

std::vector<std::int64_t> Settings::list(const std::string& name) const {
    std::vector<std::int64_t> numbers;
    const auto found = values_.find(name);
    if (found == values_.end()) return numbers;
    std::istringstream words(found->second);
    for (std::string word; words >> word;) numbers.push_back(std::stoll(word, nullptr, 0));
    return numbers;
}

std::vector<std::vector<std::int64_t>> Settings::table(const std::string& prefix) const {
    std::vector<std::vector<std::int64_t>> rows;
    for (int index = 0;; ++index) {
        auto row = list(prefix + "." + std::to_string(index));
        if (row.empty()) return rows;
        rows.push_back(std::move(row));
    }
}

}  // namespace tinyformer
