-- The audio that a result takes the place of is muted, so that song and stems do not sound together.

local library = ...
local notes = assert (loadfile (library .. "notes.lua")) (library)

local silence = {}

local function id_of (thing)
	return thing:to_stateful ():id ():to_s ()
end

local function ends (region)
	local first = region:position ():samples ()
	return first, first + region:length ():samples ()
end

function silence.track (id)
	for route in Session:get_tracks ():iter () do
		if id_of (route) == id then return route:to_track () end
	end
end

-- What sounds on a track from `first` to `last` (samples), or did before a result muted it, for
-- `silence.mute` when the time comes.
function silence.of (track, first, last)
	local regions, ours = {}, notes.muted ()
	for region in track:playlist ():region_list ():iter () do
		local from, to = ends (region)
		if from < last and to > first and (not region:muted () or ours[id_of (region)]) then
			regions[id_of (region)] = { from, to, region:start ():samples () }
		end
	end
	return { track = id_of (track), first = first, last = last, regions = regions }
end

local function is_as_it_was (region, noted)
	local from, to = ends (region)
	return noted and noted[1] == from and noted[2] == to and noted[3] == region:start ():samples ()
end

-- Cut the regions that were noted where the range begins and ends, without fades: the same audio
-- goes on in the stems. Return the ids of all others, which nobody asked to mute.
local function cut (playlist, source)
	local others = {}
	for region in playlist:region_list ():iter () do
		local id = id_of (region)
		if not is_as_it_was (region, source.regions[id]) then others[id] = true end
	end
	for _, at in ipairs ({ source.first, source.last }) do
		local crossing = {}
		for region in playlist:region_list ():iter () do
			local from, to = ends (region)
			if not others[id_of (region)] and from < at and at < to then crossing[#crossing + 1] = region end
		end
		for _, region in ipairs (crossing) do playlist:split_region (region, Temporal.timepos_t (at)) end
	end
	return others
end

local function without_fades_at_the_cuts (region, source, seamless)
	local from, to = ends (region)
	local audio = region:to_audioregion ()
	if not seamless or audio:isnil () then return end
	if to == source.first then audio:set_fade_out_active (false) end
	if from == source.last then audio:set_fade_in_active (false) end
end

-- Mute, within the undo step that is open, what was noted and is still as it was. `seamless` is true
-- if the stems add up to it. Return the regions' ids.
function silence.mute (source, seamless)
	local track, muted = silence.track (source.track), {}
	if not track then return muted end
	local playlist = track:playlist ()
	playlist:to_stateful ():clear_changes ()
	local others = cut (playlist, source)
	for region in playlist:region_list ():iter () do
		if not others[id_of (region)] then without_fades_at_the_cuts (region, source, seamless) end
	end
	Session:add_stateful_diff_command (playlist:to_statefuldestructible ())
	for region in playlist:region_list ():iter () do
		local from, to = ends (region)
		if not others[id_of (region)] and from >= source.first and to <= source.last then
			silence.set (region, true)
			muted[#muted + 1] = id_of (region)
		end
	end
	return muted
end

-- Mute a region or let it sound, within the undo step that is open.
function silence.set (region, muted)
	region:to_stateful ():clear_changes ()
	region:set_muted (muted)
	Session:add_stateful_diff_command (region:to_statefuldestructible ())
end

-- Let regions of a track sound again, as one undo step.
function silence.lift (track_id, ids)
	local track, wanted = silence.track (track_id), {}
	if not track then return end
	for _, id in ipairs (ids) do wanted[id] = true end
	Session:begin_reversible_command ("bandmate: sound again")
	for region in track:playlist ():region_list ():iter () do
		if wanted[id_of (region)] then silence.set (region, false) end
	end
	Session:commit_reversible_command (nil)
end

return silence
