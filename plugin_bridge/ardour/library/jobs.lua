-- "Jobs": what is being made for this session, how far it is, and a tick to cancel each.

local library = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)
local notes = assert (loadfile (library .. "notes.lua")) (library)
local progress = assert (loadfile (library .. "progress.lua")) (library)

local OVER = { done = true, failed = true, cancelled = true }

local function age (seconds)
	if seconds < 60 then return seconds .. " s" end
	return string.format ("%d:%02d min", seconds // 60, seconds % 60)
end

local asked = {} -- jobs that were ticked: they end by themselves

local function running ()
	local found = {}
	for _, note in ipairs (notes.all ()) do
		local job = progress.of (note.id)
		if not (job and OVER[job.state]) and not note.unanswered and not asked[note.id] then
			local words = string.format ("%s: %s, for %s", note.label, progress.words (job), age (os.time () - note.time))
			found[#found + 1] = { id = note.id, time = note.time, words = words }
		end
	end
	table.sort (found, function (a, b) return a.time < b.time end)
	return found
end

-- Show the jobs as they are now and return false once the dialog is closed by Cancel.
local function show (jobs)
	local rows = {}
	for _, job in ipairs (jobs) do
		rows[#rows + 1] = { type = "checkbox", key = job.id, title = job.words, default = false }
	end
	rows[#rows + 1] = { type = "label", title = "OK cancels those that are ticked and looks again. Cancel closes this." }
	local answer = LuaDialog.Dialog ("bandmate: Jobs", rows):run ()
	for _, job in ipairs (answer and jobs or {}) do
		if answer[job.id] then
			asked[job.id] = true
			wire.send ("/bandmate/cancel", "ss", { wire.new_id (), job.id })
		end
	end
	return answer
end

local jobs, again = running (), true
while again and #jobs > 0 do
	again = show (jobs)
	jobs = running ()
end
if again and not next (asked) then
	wire.say ("Nothing is being made for this session.", LuaDialog.MessageType.Info)
end
